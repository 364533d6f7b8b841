"""`broadcast --enqueue` while the queue is down: it says what is saved, how to go on, and how to cancel."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from tests.commands.broadcasts import ended
from tests.sink import Sink
from websocket_gateway.exceptions import NotEnqueuedError
from websocket_gateway.models import BroadcastRun
from websocket_gateway.sending import broadcast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("lobby")]

_FRAMEWORK = "django.tasks" if find_spec("django.tasks") else "django_tasks"
_TASKS = "websocket_gateway.sending.tasks"


class DeadQueue(import_module(f"{_FRAMEWORK}.backends.base").BaseTaskBackend):  # type: ignore[misc]
    """Refuses as a client of Redis does."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> None:
        """Refuse."""
        raise ConnectionError("Error 111 connecting to 127.0.0.1:6379. Connection refused.")


def dead_function(name: str, kwargs: dict[str, Any]) -> None:
    """Refuse, as the function that `TASK_BACKEND` names."""
    raise ConnectionError("Error 111 connecting to 127.0.0.1:6379. Connection refused.")


@pytest.fixture(autouse=True, params=["TASKS", "function"])
def dead_queue(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "TASKS":
        changed: dict[str, Any] = {"TASKS": {"default": {"BACKEND": f"{__name__}.DeadQueue"}}}
    else:
        changed = {"WEBSOCKET_GATEWAY": {"TASK_BACKEND": f"{__name__}.dead_function"}}
    with override_settings(**changed):
        sys.modules.pop(_TASKS, None)
        yield
    sys.modules.pop(_TASKS, None)


def test_it_names_the_broadcast_and_both_ways_on(sink: Sink) -> None:
    done = ended("lobby", "{}", "--enqueue")

    number = BroadcastRun.objects.get().pk
    assert done.status == 1
    assert f"Broadcast {number} is saved, but was not enqueued." in done.stderr
    assert "Connection refused" in done.stderr
    assert f"broadcast --resume {number} " in done.stderr
    assert f"broadcast --cancel {number}." in done.stderr
    assert sink.received == {}

    assert ended("--cancel", str(number)).status == 0
    assert BroadcastRun.objects.get().state == "cancelled"


def test_for_programs_the_number_is_on_stdout() -> None:
    done = ended("lobby", "{}", "--enqueue", "--format", "json")

    assert done.status == 1
    assert json.loads(done.stdout)["broadcast"] == BroadcastRun.objects.get().pk
    assert json.loads(done.stdout)["state"] == "running"


def test_with_wait_it_sends_from_here(sink: Sink) -> None:
    done = ended("lobby", "{}", "--enqueue", "--wait")

    number = BroadcastRun.objects.get().pk
    assert done.status == 0
    assert f"This process sends broadcast {number} alone." in done.stderr
    assert len(sink.received) == 3


def test_it_is_resumed_without_the_queue_and_its_status_is_shown(sink: Sink) -> None:
    number = str(_saved().pk)

    assert f"Broadcast {number} to channel 'lobby' is running" in ended("--status", number).stdout
    assert ended("--resume", number).status == 1
    assert ended("--resume", number, "--wait").status == 0
    assert len(sink.received) == 3
    assert BroadcastRun.objects.count() == 1


def test_in_code_the_error_has_the_number() -> None:
    with pytest.raises(NotEnqueuedError) as caught:
        broadcast({}, channel="lobby", enqueue=True)

    assert caught.value.run == BroadcastRun.objects.get().pk


def test_after_a_commit_it_is_logged_because_the_transaction_must_not_fail(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with transaction.atomic():
        report = broadcast({}, channel="lobby", enqueue=True)

    assert report.run == BroadcastRun.objects.get().pk
    assert f"A task is missing after a commit: work_on_broadcast({report.run},)" in caplog.text


def _saved() -> BroadcastRun:
    with pytest.raises(NotEnqueuedError):
        broadcast({}, channel="lobby", enqueue=True)
    return BroadcastRun.objects.get()
