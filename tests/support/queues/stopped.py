"""A task queue whose workers are stopped."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from django.test import override_settings

_FRAMEWORK = "django.tasks" if find_spec("django.tasks") else "django_tasks"
# A task is defined for the queue that is configured when its module is imported.
_TASKS = "websocket_gateway.sending.tasks"
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
        sys.modules.pop(_TASKS, None)
        _enqueued.clear()
        yield _enqueued
    sys.modules.pop(_TASKS, None)
