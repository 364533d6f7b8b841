"""Which queue there is, and what is said where there is none."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

import pytest
from django.test import override_settings

from websocket_gateway.checks.configuration import check_task_function
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ApiGateway
from websocket_gateway.task_queue import (
    TASKS,
    background_backend,
    enqueue,
    find_function,
    require_background_backend,
    run_task,
)

FRAMEWORK = "django.tasks" if find_spec("django.tasks") else "django_tasks"

QUEUE = "django_tasks_db.DatabaseBackend"


def tasks(path: str, **options: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": path, **options}}


@override_settings(TASKS=tasks(QUEUE))
def test_a_database_queue_works_in_the_background() -> None:
    assert background_backend() == "default"


@override_settings(
    TASKS={
        **tasks(f"{FRAMEWORK}.backends.immediate.ImmediateBackend"),
        "slow": {"BACKEND": QUEUE, "QUEUES": ["ws"]},
    },
    WEBSOCKET_GATEWAY={"TASK_BACKEND": "slow", "TASK_QUEUE": "ws"},
)
def test_settings_choose_backend_and_queue() -> None:
    assert background_backend() == "slow"


def test_without_tasks_in_the_settings_there_is_none() -> None:
    assert background_backend() is None


@pytest.mark.parametrize(
    ("configured", "ours", "words"),
    [
        pytest.param(
            tasks(f"{FRAMEWORK}.backends.immediate.ImmediateBackend"),
            {},
            "does not work in the background",
            id="immediate",
        ),
        pytest.param(
            tasks(f"{FRAMEWORK}.backends.dummy.DummyBackend"), {}, "Configure a queue in TASKS", id="dummy"
        ),
        pytest.param(
            tasks(QUEUE), {"TASK_BACKEND": "other"}, "TASKS has no such backend", id="no such backend"
        ),
        pytest.param(tasks(QUEUE), {"TASK_QUEUE": "other"}, "has only 'default'", id="no such queue"),
        pytest.param(tasks("nowhere.Backend"), {}, "cannot be used: ", id="no such class"),
    ],
)
def test_what_is_no_queue_is_named_with_the_next_step(
    configured: dict[str, Any], ours: dict[str, Any], words: str
) -> None:
    with override_settings(TASKS=configured, WEBSOCKET_GATEWAY=ours):
        assert background_backend() is None
        with pytest.raises(ConfigurationError, match=words):
            require_background_backend()


TAKEN: list[tuple[str, dict[str, Any]]] = []


def take(name: str, kwargs: dict[str, Any]) -> None:
    """Put a task into a list, as a queue that is not one of `TASKS`."""
    TAKEN.append((name, kwargs))


def take_one(name: str) -> None:
    """Take too little."""


async def take_later(name: str, kwargs: dict[str, Any]) -> None:
    """Return a coroutine, which would never run."""


NOT_A_FUNCTION = 3
HERE = __name__


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param("nowhere.enqueue", "which cannot be imported", id="no such module"),
        pytest.param("tests.checks.broken_urlconf.put", "which cannot be imported", id="broken module"),
        pytest.param("builtins.max", "cannot be called with a task's name", id="no signature"),
        pytest.param(f"{HERE}.nothing", "which cannot be imported", id="no such name"),
        pytest.param(f"{HERE}.NOT_A_FUNCTION", "is not a function but int", id="not a function"),
        pytest.param(f"{HERE}.take_one", "cannot be called with a task's name and a dict", id="one argument"),
        pytest.param(f"{HERE}.take_later", "which is an async function", id="async"),
    ],
)
def test_a_path_that_leads_to_no_function_is_named_and_a_check(path: str, words: str) -> None:
    with override_settings(WEBSOCKET_GATEWAY={"TASK_BACKEND": path}):
        assert background_backend() is None
        with pytest.raises(ConfigurationError, match=words):
            require_background_backend()
        (found,) = check_task_function()
    assert found.id == "websocket_gateway.W027"
    assert words in str(found.msg)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("queues", [{}, tasks(QUEUE)], ids=["without-TASKS", "with-TASKS"])
def test_a_function_gets_json_that_a_worker_can_run(queues: dict[str, Any]) -> None:
    path = f"{HERE}.take"
    with override_settings(WEBSOCKET_GATEWAY={"TASK_BACKEND": path}, TASKS=queues):
        assert background_backend() == path
        assert list(check_task_function()) == []
        TAKEN.clear()
        enqueue(TASKS[1], 7, "fingerprint", True, False)

    ((name, kwargs),) = TAKEN
    assert name == TASKS[1]
    assert json.loads(json.dumps(kwargs)) == {
        "gateway_pk": 7, "fingerprint": "fingerprint", "prune": True, "import_changes": False,
    }  # fmt: skip
    with pytest.raises(ApiGateway.DoesNotExist):
        run_task(name, kwargs)


def test_a_worker_runs_nothing_else() -> None:
    with pytest.raises(ValueError, match="is not a task of websocket_gateway"):
        run_task("os.system", {"command": "true"})


@override_settings(TASKS={"my.queue": {"BACKEND": QUEUE}}, WEBSOCKET_GATEWAY={"TASK_BACKEND": "my.queue"})
def test_a_name_with_a_dot_in_tasks_is_a_backend() -> None:
    assert find_function() is None
    assert background_backend() == "my.queue"
