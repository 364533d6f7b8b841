"""What is recorded beside events: the purge, changes in AWS, publishes, the circuit breaker."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from tests.commands.domains import CREATE
from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from tests.metrics.conftest import Recorded, RecordedOtel
from tests.support.commands import run
from websocket_gateway.aws.engines.circuit_breaker import CircuitBreaker
from websocket_gateway.connections.endpoints import find_socket_url
from websocket_gateway.metrics.catalogue import PREFIX
from websocket_gateway.models import ApiGateway
from websocket_gateway.purging import Part, purge
from websocket_gateway.sending import create_run
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_purge_and_the_ghosts_that_it_ends(recorded: Recorded) -> None:
    long_ago = timezone.now() - timedelta(days=2)
    for number in range(7):
        WebSocketSessionFactory.create(connection_id=f"old{number}=", created_on=long_ago)

    purge()
    purge(only=[Part.TOKENS])

    assert dict(recorded.counts()) == {
        ("connection.ends", "reason=gone"): 7,
        ("purge.duration", "result=complete"): 2,
    }


def test_a_purge_that_was_cut_short(recorded: Recorded) -> None:
    WebSocketSessionFactory.create(created_on=timezone.now() - timedelta(days=2))

    assert not purge(max_seconds=0).complete
    assert recorded.counts() == {("purge.duration", "result=cut_short"): 1}


def test_changes_in_aws_are_timed_and_spans(otel: RecordedOtel, django_local_gateway: GatewayHandle) -> None:
    assert run(*CREATE).status == 0
    assert run("delete_gateway", ApiGateway.objects.get().api_name, "--no-input").status == 0

    assert {key: number for key, number in otel.counts().items() if key[0] == "provision.duration"} == {
        ("provision.duration", "action=apply"): 1,
        ("provision.duration", "action=delete"): 1,
    }
    spans = [span for span in otel.spans() if span.name == f"{PREFIX}.provision"]
    assert [(span.attributes or {})[f"{PREFIX}.action"] for span in spans] == ["apply", "delete"]


def test_a_publish_counts_once_its_transaction_is_committed(recorded: Recorded, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"CHANNELS": {"kept": {"HISTORY_MESSAGES": 5}}}
    with transaction.atomic():
        create_run(b"{}", channel="kept")
        transaction.set_rollback(True)
    with transaction.atomic():
        create_run(b"{}", channel="kept")
        assert recorded.counts() == {}

    assert recorded.counts() == {("history.publishes",): 1}


def test_each_opening_of_a_circuit_breaker(recorded: Recorded) -> None:
    breaker, url = CircuitBreaker(), find_socket_url(ApiGatewayFactory.create())
    for _ in range(3):
        breaker.trip(url)
    breaker.reset(url)
    breaker.trip(url)

    assert recorded.counts() == {("circuit_breaker.opens",): 2}
