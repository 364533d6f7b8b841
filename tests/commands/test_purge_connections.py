"""`purge_connections`: what is typed, what is printed, what it exits with."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests.factories import (
    BroadcastRunFactory,
    BroadcastShardFactory,
    WebSocketSessionFactory,
    WebSocketTokenFactory,
)
from tests.support.commands import run
from websocket_gateway.exceptions import AccessDeniedError
from websocket_gateway.models import WebSocketSession
from websocket_gateway.testing.connections import record_connections

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]


def old_sessions(number: int) -> None:
    for _ in range(number):
        WebSocketSessionFactory.create(ended=True, disconnected_on=timezone.now() - timedelta(days=9))


def test_a_purge_says_what_it_did_and_then_that_there_is_nothing_left() -> None:
    old_sessions(2)
    WebSocketSessionFactory.create(stale=True)
    WebSocketTokenFactory.create(expired=True)

    first, second = run("purge_connections"), run("purge_connections")

    assert (first.status, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [
        "Ended 1 session older than API Gateway allows.",
        "Deleted 2 sessions that ended longer ago than the retention.",
        "Deleted 1 used or expired token.",
    ]
    assert (second.status, second.stdout) == (0, "Nothing to do.\n")


def test_a_dry_run_says_what_it_would_do_and_does_nothing() -> None:
    old_sessions(2)

    ended = run("purge_connections", "--dry-run")

    assert ended.stdout == "Would delete 2 sessions that ended longer ago than the retention.\n"
    assert WebSocketSession.objects.count() == 2


def test_json_is_one_line_for_a_log_collector() -> None:
    old_sessions(1)

    ended = run("purge_connections", "--only", "sessions", "--format", "json")

    (line,) = ended.stdout.splitlines()
    report = json.loads(line)
    assert report.pop("seconds") >= 0
    assert report == {
        "command": "purge_connections",
        "dry_run": False,
        "sessions_ended_overdue": 0,
        "sessions_deleted": 1,
        "complete": True,
        "problems": [],
    }


def test_parts_and_retention_are_options() -> None:
    old_sessions(1)
    WebSocketTokenFactory.create(used=True)

    ended = run("purge_connections", "--only", "tokens, limits", "--retention", "0")
    later = run("purge_connections", "--only=sessions", "--retention=10")

    assert ended.stdout == "Deleted 1 used or expired token.\n"
    assert later.stdout == "Nothing to do.\n"


def test_what_aws_did_not_tell_is_an_error_after_everything_else_is_done() -> None:
    session = WebSocketSessionFactory.create()
    old_sessions(1)
    with record_connections() as fake:
        fake.failures[session.connection_id] = AccessDeniedError("no", code="AccessDenied", status=403)

        ended = run("purge_connections", "--verify")

    assert ended.status == 1
    assert ended.stdout == "Deleted 1 session that ended longer ago than the retention.\n"
    assert ended.stderr.startswith("1 session not verified: AccessDenied from https://")


def test_verifying_says_what_aws_told() -> None:
    with record_connections() as fake:
        fake.gone.add(WebSocketSessionFactory.create().connection_id)
        WebSocketSessionFactory.create()

        ended = run("purge_connections", "--verify")

    assert ended.stdout.splitlines() == [
        "Verified 2 sessions that may be alive.",
        "Ended 1 session that AWS reports as gone.",
    ]


def test_time_that_ran_out_is_no_failure() -> None:
    old_sessions(1)

    ended = run("purge_connections", "--max-seconds", "3600")

    assert "next run" not in ended.stdout
    assert ended.status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--only", "tokens,toads"], "'toads' is not a part. Choose from: sessions", id="part"),
        pytest.param(["--retention", "-1"], "'-1' is not a number of days", id="retention"),
        pytest.param(["--max-seconds", "0"], "'0' is not a positive integer", id="seconds"),
        pytest.param(
            ["--only", "tokens", "--verify"], "add sessions to --only", id="verify without sessions"
        ),
    ],
)
def test_wrong_usage_is_named_and_exits_with_two(words: list[str], message: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "django", "purge_connections", "--settings=tests.settings", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_dry_run_foresees_the_tasks_for_a_broadcast_that_the_queue_has_lost(enqueued: list[int]) -> None:
    run_of_yesterday = BroadcastRunFactory.create(created_on=timezone.now() - timedelta(days=1))
    BroadcastShardFactory.create(run=run_of_yesterday)

    foreseen, done = run("purge_connections", "--dry-run"), run("purge_connections")

    assert foreseen.stdout == "Would enqueue 1 task for broadcasts that no worker continues.\n"
    assert done.stdout == "Enqueued 1 task for broadcasts that no worker continues.\n"
    assert enqueued == [run_of_yesterday.pk]
