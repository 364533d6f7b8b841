"""`on_commit=True`: sent after the transaction, or not at all."""

from __future__ import annotations

import pytest
from django.db import transaction

from tests.sending.broadcasts import connect
from tests.sink import Sink
from websocket_gateway.exceptions import (
    InvalidMessageError,
)
from websocket_gateway.models import ApiGateway
from websocket_gateway.sending import broadcast

pytestmark = pytest.mark.django_db(transaction=True)


def test_on_commit_sends_after_the_commit_and_returns_a_deferred_report(
    sink: Sink, gateway: ApiGateway
) -> None:
    with transaction.atomic():
        (session,) = connect(gateway, "new=")
        report = session.send_message({"n": 1}, on_commit=True)
        assert sink.requests == []

    assert report.deferred
    assert not report.complete
    assert sink.received == {"new=": [b'{"n":1}']}


def test_on_commit_sends_nothing_after_a_rollback(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "one=")

    with transaction.atomic():
        broadcast({}, channel="lobby", on_commit=True)
        transaction.set_rollback(True)

    assert sink.requests == []


def test_on_commit_outside_a_transaction_sends_at_once(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "one=")

    report = broadcast({}, channel="lobby", on_commit=True)

    assert not report.deferred
    assert report.delivered == 1


def test_on_commit_checks_the_message_at_once_and_logs_later_failures(
    sink: Sink, gateway: ApiGateway, caplog: pytest.LogCaptureFixture
) -> None:
    connect(gateway, "refused=")
    sink.answers["refused="] = 403

    with transaction.atomic(), pytest.raises(InvalidMessageError):
        broadcast(object(), channel="lobby", on_commit=True)
    with transaction.atomic():
        broadcast({}, channel="lobby", on_commit=True)

    assert "1 of 1 recipient did not get a message" in caplog.text
