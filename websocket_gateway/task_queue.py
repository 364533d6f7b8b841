"""The task queue of the project: find one that works outside this process, and enqueue to it.

`django.tasks` is part of Django 6.0 and later; for earlier versions it is the package `django-tasks`. Both
are imported late, because a project without a queue needs neither.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import router, transaction
from django.utils.module_loading import import_string

from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError
from websocket_gateway.models import BroadcastRun
from websocket_gateway.tenants import current_schema, in_schema, with_current_tenant

_FRAMEWORKS = ("django.tasks", "django_tasks")
_FOREGROUND = ("immediate.ImmediateBackend", "dummy.DummyBackend")


def background_backend() -> str | None:
    """The name in `TASKS` of the queue that `TASK_BACKEND` and `TASK_QUEUE` choose; None if there is none.

    A backend that runs tasks in the caller's process, or never, does not count.
    """
    try:
        return require_background_backend()
    except ConfigurationError:
        return None


def require_background_backend() -> str:
    """The queue's name, as `background_backend`; raises `ConfigurationError` that says what to configure."""
    settings = get_settings()
    name = settings.task_backend
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


def define(function: Callable[..., None]) -> Any:
    """The task that calls `function`, on the queue that the settings choose.

    Without such a queue a function, because other task libraries import every app's `tasks` module. It takes
    the schema of the tenant that has enqueued it as `schema`.
    """
    function = _with_schema(function)
    try:
        backend = require_background_backend()
    except ConfigurationError:
        return function
    return _framework().task(backend=backend, queue_name=get_settings().task_queue)(function)


def enqueue(path: str, *args: object) -> None:
    """Enqueue the task at the dotted `path` once the surrounding transaction, if any, has committed.

    The path is imported here and not earlier, because the task is defined for the configured queue. The
    transaction commits first, because a worker could start before the rows are visible. Raises
    `ConfigurationError` without a queue, and `WebSocketGatewayError` if the queue cannot be reached.
    """
    backend = require_background_backend()
    using = router.db_for_write(BroadcastRun)
    # Only where there are tenants: workers of earlier versions do not know it.
    tenant = {"schema": schema} if (schema := current_schema(using)) else {}
    chosen = import_string(path).using(backend=backend, queue_name=get_settings().task_queue)

    def put() -> None:
        try:
            chosen.enqueue(*args, **tenant)
        except Exception as exc:  # each queue has its own exceptions
            raise WebSocketGatewayError(
                f"The queue {backend!r} of TASKS did not accept the task: {exc}"
            ) from exc

    transaction.on_commit(with_current_tenant(put), using=using)


def _with_schema(function: Callable[..., None]) -> Callable[..., None]:
    @wraps(function)
    def in_its_schema(*args: object, schema: str = "", **kwargs: object) -> None:
        with in_schema(router.db_for_write(BroadcastRun), schema):
            function(*args, **kwargs)

    return in_its_schema


def _framework() -> Any:
    for module in _FRAMEWORKS:
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as exc:
            if exc.name != module:
                raise
    raise ConfigurationError(
        "There is no tasks framework. On Django before 6.0 install it with "
        "`pip install django-websocket-gateway[tasks]`, and configure a queue in TASKS."
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
