"""What is tried again, what fails at once, and what is said of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.factories import (
    ApiGatewayFactory,
)
from tests.sending.broadcasts import connect, counts
from tests.sink import Sink, running_sink
from websocket_gateway.connections import endpoints
from websocket_gateway.exceptions import (
    MissingCredentialsError,
    MissingRegionError,
)
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import broadcast

pytestmark = pytest.mark.django_db(transaction=True)


def test_throttled_failing_and_broken_answers_are_repeated(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "busy=", "failing=", "broken=", "fine=")
    sink.answers = {"busy=": [429, 200], "failing=": [500, 503, 200], "broken=": ["drop", 200]}

    report = broadcast({}, channel="lobby")

    assert counts(report) == (4, 0, 0)
    assert report.retried == 4
    assert {name: len(frames) for name, frames in sink.received.items()} == dict.fromkeys(
        ("busy=", "failing=", "broken=", "fine="), 1
    )


def test_what_stays_throttled_fails_at_the_deadline_and_holds_nobody_up(
    sink: Sink, gateway: ApiGateway, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {"SEND_DEADLINE_SECONDS": 3, "SEND_CONCURRENCY": 1}
    connect(gateway, "stuck=", "fine=")
    sink.answers["stuck="] = 429

    report = broadcast({}, channel="lobby")

    assert counts(report) == (1, 0, 1)
    assert report.retried >= 1
    assert 1 <= report.seconds < 15
    assert [failure.connection_id for failure in report.failures] == ["stuck="]
    assert "LimitExceededException" in report.failures[0].reason


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "check the IAM policy, the stage and the region"), (400, "BadRequest"), (413, "PayloadTooLarge")],
)
def test_a_refusal_fails_at_once_with_its_reason_and_ends_nothing(
    sink: Sink, gateway: ApiGateway, status: int, words: str
) -> None:
    connect(gateway, "refused=", "fine=")
    sink.answers["refused="] = status

    report = broadcast({}, channel="lobby")

    assert counts(report) == (1, 0, 1)
    assert not report.complete
    assert words in report.failures[0].reason
    assert len(sink.requests) == 2
    assert WebSocketSession.objects.filter(connected=True).count() == 2


def test_the_same_refusal_is_one_reason_however_many_it_meets(sink: Sink, gateway: ApiGateway) -> None:
    names = [f"refused{number}=" for number in range(30)]
    connect(gateway, *names)
    sink.answers = dict.fromkeys(names, 403)

    report = broadcast({}, channel="lobby")

    assert list(report.reasons.values()) == [30]


def test_an_endpoint_where_nobody_listens_fails_its_own_within_seconds(
    sink: Sink, gateway: ApiGateway
) -> None:
    with running_sink() as closed:
        dead = closed.gateway()
    connect(gateway, "alive=")
    connect(dead, "dead1=", "dead2=")

    report = broadcast({}, channel="lobby")

    assert counts(report) == (1, 0, 2)
    assert list(report.reasons) == [
        f"no answer from http://127.0.0.1:{closed.port}/_api/{dead.api_id}/production"
    ]
    assert report.seconds < 10


def test_without_credentials_it_raises_before_the_first_post(
    sink: Sink, gateway: ApiGateway, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {}
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    connect(gateway, "one=", "two=")

    with pytest.raises(MissingCredentialsError, match="AWS_IAM_PROFILE"):
        broadcast({}, channel="lobby")

    assert sink.requests == []


def test_without_a_region_it_raises_before_the_first_post(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {}
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    connect(sink.gateway(region_name=""), "one=")

    with pytest.raises(MissingRegionError, match="AWS_GATEWAY_REGION_NAME"):
        broadcast({}, channel="lobby")

    assert sink.requests == []


@pytest.mark.parametrize("address", ["wss://host:port/x", "wss://[", "nonsense", "wss://"])
def test_a_row_without_an_address_fails_its_own_recipients_and_no_others(
    sink: Sink, gateway: ApiGateway, address: str
) -> None:
    connect(gateway, *(f"c{number}=" for number in range(20)))
    broken = ApiGatewayFactory.create(api_endpoint=address)
    connect(broken, "lost=")

    report = broadcast({}, channel="lobby")

    assert counts(report) == (20, 0, 1)
    assert "manage.py sync_routes" in next(iter(report.reasons))


def test_a_region_other_than_the_stored_one_is_warned_about_once(
    caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.AWS_GATEWAY_REGION_NAME = "us-east-1"
    row = ApiGatewayFactory.build(region_name="", api_name="elsewhere")

    with caplog.at_level(logging.WARNING):
        first, second = endpoints.endpoint_of(row), endpoints.endpoint_of(row)

    assert first == second
    assert first.region == "eu-west-1"
    assert len(caplog.records) == 1
    assert "us-east-1" in caplog.text


def test_without_any_region_of_ours_the_stored_one_is_called_without_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {}
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    endpoint = endpoints.endpoint_of(ApiGatewayFactory.build(region_name=""))

    assert endpoint.region == "eu-west-1"
    assert caplog.records == []
