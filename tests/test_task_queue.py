"""Which queue there is, and what is said where there is none."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest
from django.test import override_settings

from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.task_queue import background_backend, require_background_backend

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
