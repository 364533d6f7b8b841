"""`on_commit=True` where the caller's transaction is on another database than the tables of this package."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connections, transaction

from tests.sending.broadcasts import connect
from tests.sink import Sink
from tests.support.queues.stopped import enqueued_fixture
from websocket_gateway.models import ApiGateway, BroadcastRun, ChannelMessage
from websocket_gateway.sending import broadcast

__all__ = ["enqueued_fixture"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def shop(tmp_path: Path) -> Iterator[None]:
    """The database of the project's own tables."""
    connections.databases["shop"] = {
        **connections.databases["default"],
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(tmp_path / "shop.sqlite3"),
        "OPTIONS": {},
    }
    connections["shop"].connect()
    yield
    connections["shop"].close()
    del connections["shop"]
    del connections.databases["shop"]


def test_it_waits_for_the_commit(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "one=")

    with transaction.atomic(using="shop"):
        report = broadcast({}, channel="lobby", on_commit=True)
        assert sink.requests == []

    assert report.deferred
    assert len(sink.received) == 1


def test_it_sends_nothing_after_a_rollback(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "one=")

    with transaction.atomic(using="shop"):
        broadcast({}, channel="lobby", on_commit=True)
        transaction.set_rollback(True, using="shop")

    assert sink.requests == []


@pytest.mark.parametrize("outer", ["default", "shop"])
def test_of_two_transactions_it_waits_for_both(sink: Sink, gateway: ApiGateway, outer: str) -> None:
    connect(gateway, "one=")
    inner = "shop" if outer == "default" else "default"

    with transaction.atomic(using=outer):
        with transaction.atomic(using=inner):
            broadcast({}, channel="lobby", on_commit=True)
        assert sink.requests == []
    assert len(sink.received["one="]) == 1

    for lost in (outer, inner):
        with transaction.atomic(using=outer), transaction.atomic(using=inner):
            broadcast({}, channel="lobby", on_commit=True)
            transaction.set_rollback(True, using=lost)
    assert len(sink.received["one="]) == 1


def test_a_message_with_a_history_is_saved_after_the_commit(
    sink: Sink, gateway: ApiGateway, settings: pytest.FixtureRequest
) -> None:
    settings.WEBSOCKET_GATEWAY = {"CHANNELS": {"lobby": {"HISTORY_MESSAGES": 10}}}  # type: ignore[attr-defined]
    connect(gateway, "one=")

    with transaction.atomic(using="shop"):
        broadcast({}, channel="lobby", on_commit=True)
        transaction.set_rollback(True, using="shop")
    assert not ChannelMessage.objects.exists()

    with transaction.atomic(using="shop"):
        assert broadcast({}, channel="lobby", on_commit=True).deferred
        assert not ChannelMessage.objects.exists()
    assert ChannelMessage.objects.count() == 1
    assert len(sink.received["one="]) == 1


def test_an_enqueued_broadcast_is_saved_after_the_commit(gateway: ApiGateway, enqueued: list[int]) -> None:
    connect(gateway, "one=")

    with transaction.atomic(using="shop"):
        broadcast({}, channel="lobby", enqueue=True)
        transaction.set_rollback(True, using="shop")
    assert not BroadcastRun.objects.exists()

    with transaction.atomic(using="shop"):
        assert broadcast({}, channel="lobby", enqueue=True).deferred
    assert enqueued == [BroadcastRun.objects.get().pk]
