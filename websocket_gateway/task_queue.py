"""The task queue of the project: find one that works outside this process, and enqueue to it.

`django.tasks` is part of Django 6.0 and later; for earlier versions it is the package `django-tasks`. Both
are imported late, because a project without a queue needs neither. Any other queue is reached by a function
of the project, which `TASK_BACKEND` names: it gets a task's name and arguments, and its workers call
`run_task` with them.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from types import ModuleType
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.utils.module_loading import import_string

from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError, QueueUnavailableError
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import BroadcastRun
from websocket_gateway.tenants import current_schema, in_schema, with_current_tenant

logger = get_logger("websocket_gateway.tasks")

TASKS: Final = (
    "websocket_gateway.sending.tasks.work_on_broadcast",
    "websocket_gateway.provisioning.tasks.apply_plan",
)
"""The tasks of this package; nothing else is run for a queue."""
_FRAMEWORKS = ("django.tasks", "django_tasks")
_FOREGROUND = ("immediate.ImmediateBackend", "dummy.DummyBackend")

Put = Callable[[str, dict[str, object]], object]
"""A function of the project that puts a task, by its name and arguments, into a queue."""


def background_backend() -> str | None:
    """The queue that `TASK_BACKEND` and `TASK_QUEUE` choose: its name in `TASKS`, or the path of a function.

    None if there is none. A backend that runs tasks in the caller's process, or never, does not count.
    """
    try:
        return require_background_backend()
    except ConfigurationError:
        return None


def require_background_backend() -> str:
    """The queue's name, as `background_backend`; raises `ConfigurationError` that says what to configure."""
    settings = get_settings()
    name = settings.task_backend
    if find_function() is not None:
        return name
    handler = _framework().task_backends
    if name not in handler.settings:
        raise ConfigurationError(
            f"WEBSOCKET_GATEWAY['TASK_BACKEND'] is {name!r}, but TASKS has no such backend. "
            "Add it to TASKS, or name one of its backends."
        )
    try:
        backend = handler[name]
    except (ImportError, ImproperlyConfigured) as exc:
        raise ConfigurationError(f"The backend {name!r} of TASKS cannot be used: {exc}") from exc
    if isinstance(backend, _foreground_backends()):
        raise ConfigurationError(
            f"The backend {name!r} of TASKS ({type(backend).__name__}) does not work in the background. "
            "Configure a queue in TASKS, such as that of django-tasks-db or django-tasks-rq, and name it in "
            "WEBSOCKET_GATEWAY['TASK_BACKEND']."
        )
    if backend.queues and settings.task_queue not in backend.queues:
        raise ConfigurationError(
            f"WEBSOCKET_GATEWAY['TASK_QUEUE'] is {settings.task_queue!r}, but the backend {name!r} of TASKS "
            f"has only {', '.join(sorted(map(repr, backend.queues)))}. Add it there, or name one of those."
        )
    return name


def find_function() -> Put | None:
    """The function that `TASK_BACKEND` names by its dotted path; None if it names a backend of `TASKS`.

    Raises `ConfigurationError` for a path that leads to no function of two arguments.
    """
    path = get_settings().task_backend
    if "." not in path or path in _configured_backends():
        return None
    wrong = f"WEBSOCKET_GATEWAY['TASK_BACKEND'] is {path!r}, "
    try:
        function = import_string(path)
    except Exception as exc:  # whatever the project's module raises when it is imported
        raise ConfigurationError(f"{wrong}which cannot be imported: {exc}") from exc
    if not callable(function) or isinstance(function, type):
        raise ConfigurationError(f"{wrong}which is not a function but {type(function).__name__}.")
    try:
        inspect.signature(function).bind("", {})
    except (TypeError, ValueError) as exc:  # a ValueError is of a function in C without a signature
        raise ConfigurationError(
            f"{wrong}which cannot be called with a task's name and a dict of its arguments: {exc}."
        ) from exc
    if inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{wrong}which is an async function. Write it without `async`.")
    put: Put = function
    return put


def define(function: Callable[..., None]) -> Any:
    """The task that calls `function`, on the queue that the settings choose.

    Without such a queue a function, because other task libraries import every app's `tasks` module. It takes
    the schema of the tenant that has enqueued it as `schema`.
    """
    function = _with_schema(function)
    try:
        backend = require_background_backend()
        if find_function() is not None:
            return function
    except ConfigurationError:
        return function
    return _framework().task(backend=backend, queue_name=get_settings().task_queue)(function)


def enqueue(path: str, *args: object) -> None:
    """Enqueue the task at the dotted `path` once the surrounding transaction, if any, has committed.

    The path is imported here and not earlier, because the task is defined for the configured queue. The
    transaction commits first, because a worker could start before the rows are visible. Raises
    `ConfigurationError` without a queue, and `QueueUnavailableError` if the queue cannot be reached; after
    a commit, which must not fail because of it, that is logged.
    """
    using = router.db_for_write(BroadcastRun)
    # Only where there are tenants: workers of earlier versions do not know it.
    tenant = {"schema": schema} if (schema := current_schema(using)) else {}
    chosen, put_in = _chosen(path, args, tenant)

    def put() -> None:
        try:
            put_in()
        except Exception as exc:  # each queue has its own exceptions
            raise QueueUnavailableError(f"{chosen} did not accept the task: {exc}") from exc

    def put_after_commit() -> None:
        try:
            put()
        except QueueUnavailableError as exc:
            logger.exception(
                "A task is missing after a commit: %s%r. %s",
                path.rpartition(".")[2],
                args,
                exc,
                extra={"event": "not_enqueued"},
            )

    if transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(with_current_tenant(put_after_commit), using=using, robust=True)
    else:
        put()


def run_task(name: str, kwargs: Mapping[str, object]) -> None:
    """Run a task of this package in a worker of the project's queue, with what its function was given.

    Raises `ValueError` for a name that is not one of `TASKS`.
    """
    if name not in TASKS:
        raise ValueError(f"{name!r} is not a task of websocket_gateway. Its tasks are: {', '.join(TASKS)}.")
    task = import_string(name)
    getattr(task, "func", task)(**kwargs)


def _chosen(path: str, args: tuple[object, ...], tenant: dict[str, str]) -> tuple[str, Callable[[], object]]:
    """The queue in words, and what puts the task into it."""
    backend = require_background_backend()
    function, task = find_function(), import_string(path)
    if function is not None:
        given = inspect.signature(getattr(task, "func", task)).bind(*args)
        kwargs = {**given.arguments, **tenant}
        return f"The function {backend!r} of TASK_BACKEND", lambda: function(path, kwargs)
    chosen = task.using(backend=backend, queue_name=get_settings().task_queue)
    return f"The queue {backend!r} of TASKS", lambda: chosen.enqueue(*args, **tenant)


def _with_schema(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def in_its_schema(*args: object, schema: str = "", **kwargs: object) -> None:
        with in_schema(router.db_for_write(BroadcastRun), schema):
            function(*args, **kwargs)

    return in_its_schema


def _configured_backends() -> Mapping[str, object]:
    try:
        backends: Mapping[str, object] = _framework().task_backends.settings
    except ConfigurationError:
        return {}
    return backends


def _framework() -> ModuleType:
    for module in _FRAMEWORKS:
        try:
            framework = importlib.import_module(module)
        except ModuleNotFoundError as exc:
            if exc.name != module:
                raise
        else:
            importlib.import_module(f"{module}.signals")  # it forgets TASKS when a test changes them
            return framework
    raise ConfigurationError(
        "There is no tasks framework. On Django before 6.0 install it with "
        "`pip install 'django-websocket-gateway[tasks]'`, and configure a queue in TASKS."
    )


def _foreground_backends() -> tuple[type, ...]:
    found = []
    for framework in _FRAMEWORKS:
        for path in _FOREGROUND:
            module, name = path.split(".")
            try:
                found.append(getattr(importlib.import_module(f"{framework}.backends.{module}"), name))
            except ModuleNotFoundError:
                continue
    return tuple(found)
