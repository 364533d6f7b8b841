"""A task queue whose workers are stopped."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from django.test import override_settings

from websocket_gateway.sending import tasks

_FRAMEWORK = "django.tasks" if find_spec("django.tasks") else "django_tasks"
_enqueued: list[int] = []


class StoppedQueue(importlib.import_module(f"{_FRAMEWORK}.backends.base").BaseTaskBackend):  # type: ignore[misc]
    """Keeps what is enqueued."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> None:
        """Keep it."""
        self.validate_task(task)
        _enqueued.append(args[0])


@pytest.fixture(name="enqueued")
def enqueued_fixture() -> Iterator[list[int]]:
    """The numbers of the broadcasts for which tasks are enqueued, in a project that has this queue."""
    with override_settings(TASKS={"default": {"BACKEND": f"{__name__}.StoppedQueue"}}):
        importlib.reload(tasks)  # a task is defined for the queue that is configured
        _enqueued.clear()
        yield _enqueued
    importlib.reload(tasks)
