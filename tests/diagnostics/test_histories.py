"""Probes of channels with a history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from websocket_gateway.diagnostics.histories import probe_histories
from websocket_gateway.models import Channel, ChannelMessage
from websocket_gateway.sending import broadcast

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def channels(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"CHANNELS": {"short": {"HISTORY_MESSAGES": 2, "HISTORY_SECONDS": 60}}}


def found() -> set[str]:
    """The numbers of the findings, without that about the journal of the test's SQLite."""
    return {str(message.id).partition(".")[2] for message in probe_histories()} - {"W117"}


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_the_journal_of_sqlite_must_be_write_ahead_logging() -> None:
    def numbers() -> list[str]:
        return [str(message.id).partition(".")[2] for message in probe_histories()]

    def set_journal(mode: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA journal_mode={mode}")
            cursor.fetchall()

    before = numbers()
    set_journal("wal")
    try:
        assert (before, numbers()) == (["W117"], [])
    finally:
        set_journal("delete")


def test_messages_that_nothing_purges_are_a_finding() -> None:
    broadcast({}, channel="short")
    ChannelMessage.objects.update(created_on=timezone.now() - timedelta(hours=23))
    before = found()
    ChannelMessage.objects.update(created_on=timezone.now() - timedelta(hours=25))

    assert (before, found()) == (set(), {"W118"})


def test_a_history_that_is_too_short_for_its_rate_is_a_finding() -> None:
    for turn in range(2):
        broadcast({"n": turn}, channel="short")
    full = found()  # everything that was published
    broadcast({"n": 2}, channel="short")
    fast = found()
    ChannelMessage.objects.filter(offset=2).update(created_on=timezone.now() - timedelta(seconds=10))

    assert (full, fast, found()) == (set(), {"W119"}, set())


def test_without_a_history_nothing_is_asked(settings: Any, django_assert_num_queries: Any) -> None:
    Channel.objects.create(name="short", last_offset=9, published_on=timezone.now())
    settings.WEBSOCKET_GATEWAY = {"CHANNELS": {"short": {}}}

    with django_assert_num_queries(0):
        assert probe_histories() == []
