"""The limit of messages: what a process keeps in memory, what it writes, and several processes together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from tests.factories import WebSocketSessionFactory
from tests.support.forking import ROOT, environment
from websocket_gateway.connections.sessions import find_session, touch
from websocket_gateway.models import WebSocketSession
from websocket_gateway.receiving.message_limit import count_message


def send(session: WebSocketSession, number: int = 1, *, limit: int) -> int:
    """Count so many messages, each with the row as it is then; how many were let through."""
    return sum(count_message(read(session), limit) for _ in range(number))


def read(session: WebSocketSession) -> WebSocketSession:
    found = find_session(session.connection_id)
    assert found is not None
    return found


def others_reported(session: WebSocketSession, number: int) -> None:
    """What other processes do to the row."""
    row = WebSocketSession.objects.get(pk=session.pk)
    WebSocketSession.objects.filter(pk=session.pk).update(recent_messages=row.recent_messages + number)


@pytest.mark.django_db
def test_messages_that_others_have_reported_count() -> None:
    session = WebSocketSessionFactory.create()
    assert send(session, 10, limit=100) == 10

    others_reported(session, 80)

    assert send(session, 20, limit=100) == 10


@pytest.mark.django_db
def test_others_who_report_between_reading_and_writing_count() -> None:
    session = WebSocketSessionFactory.create()
    outdated = read(session)
    others_reported(session, 10)

    assert not count_message(outdated, 10)
    assert send(session, 3, limit=10) == 0


@pytest.mark.django_db
def test_what_does_not_fit_any_more_fills_the_row_for_the_other_processes() -> None:
    session = WebSocketSessionFactory.create()
    assert send(session, 3, limit=100) == 3  # none of them reported yet
    outdated = read(session)
    others_reported(session, 98)

    assert not count_message(outdated, 100)
    assert read(session).recent_messages == 100
    assert send(session, 3, limit=100) == 0


@pytest.mark.django_db
def test_minute_that_ends_while_a_message_is_counted_counts_it_in_the_next() -> None:
    session = WebSocketSessionFactory.create()
    outdated = read(session)
    assert send(session, 5, limit=5) == 5
    later = timezone.now() + timedelta(seconds=61)

    assert touch(read(session), now=later)
    fresh = read(session)

    assert fresh.recent_messages == 0
    assert count_message(fresh, 5)
    assert count_message(outdated, 5)
    assert read(session).recent_messages == 2


@pytest.mark.django_db
def test_process_that_lost_the_race_to_a_new_minute_counts_in_the_winners() -> None:
    session = WebSocketSessionFactory.create(stale=True)
    slow = read(session)
    assert touch(read(session))

    assert not touch(slow)
    assert slow.last_seen_on == read(session).last_seen_on
    assert count_message(slow, 1)
    assert not count_message(read(session), 1)


@pytest.mark.django_db
def test_message_of_a_row_that_was_deleted_meanwhile_is_not_an_error() -> None:
    session = WebSocketSessionFactory.create()
    outdated = read(session)
    WebSocketSession.objects.all().delete()

    assert count_message(outdated, 5)


@pytest.mark.django_db
def test_views_with_different_limits_count_the_same_messages() -> None:
    session = WebSocketSessionFactory.create()
    assert send(session, 5, limit=5) == 5
    others_reported(session, 0)

    assert send(session, 1, limit=5) == 0
    assert send(session, 10, limit=10) == 5


@contextmanager
def failing_updates() -> Iterator[None]:
    def fail(execute: object, sql: str, *args: object) -> object:
        if sql.startswith("UPDATE"):
            raise OperationalError("the server has gone away")
        return execute(sql, *args)  # type: ignore[operator]

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.django_db(transaction=True)
def test_message_that_could_not_be_reported_is_not_counted() -> None:
    session = WebSocketSessionFactory.create()
    for _ in range(3):
        with failing_updates(), pytest.raises(OperationalError):
            count_message(read(session), 5)

    assert send(session, 7, limit=5) == 5


@pytest.mark.django_db(transaction=True)
def test_four_processes_together_refuse_nothing_within_the_limit_and_hardly_let_more_through() -> None:
    limit, processes, portion = 600, 4, 30
    session = WebSocketSessionFactory.create()
    command = [sys.executable, "-m", "tests.support.messages", session.connection_id, "400", str(limit)]
    workers = [
        subprocess.Popen(
            command, cwd=ROOT, env=environment(), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    WebSocketSession.objects.filter(pk=session.pk).update(last_seen_on=timezone.now())

    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    let_through = sum(int(worker.communicate(timeout=50)[0]) for worker in workers)

    assert limit <= let_through <= limit + processes * (portion - 1)
