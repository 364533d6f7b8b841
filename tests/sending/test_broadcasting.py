"""The whole pipeline: rows, boto3, a real server, and the report."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from tests.factories import (
    ApiGatewayFactory,
    ChannelSubscriptionFactory,
    UserFactory,
)
from tests.sending.broadcasts import connect, counts
from tests.sink import Sink, running_sink
from websocket_gateway.exceptions import (
    ConfigurationError,
    InvalidMessageError,
)
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import DeliveryReport, Failure, broadcast, send

pytestmark = pytest.mark.django_db(transaction=True)


def test_everyone_in_the_channel_gets_the_frame_once(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "kXyZ=", "KxYz=", "kxyz=")
    subscriber = connect(gateway, "sub=", channel_name="other")[0]
    ChannelSubscriptionFactory.create(session=subscriber, channel_name="lobby")
    connect(gateway, "elsewhere=", channel_name="other")

    report = broadcast({"text": "é"}, channel="lobby")

    frame = [b'{"text":"\xc3\xa9","_ws":{"channel":"lobby"}}']
    assert sink.received == {"kXyZ=": frame, "KxYz=": frame, "kxyz=": frame, "sub=": frame}
    assert counts(report) == (4, 0, 0)
    assert report.complete
    assert (report.engine, report.retried, report.failures) == ("boto3", 0, ())


def test_a_user_gets_it_on_every_connection_and_everyone_is_everyone(sink: Sink, gateway: ApiGateway) -> None:
    user = UserFactory.create()
    connect(gateway, "one=", "two=", user=user)
    connect(gateway, "three=", channel_name="")

    assert counts(broadcast("hi", user=user)) == (2, 0, 0)
    assert counts(broadcast("all", everyone=True)) == (3, 0, 0)
    assert sink.received == {"one=": [b"hi", b"all"], "two=": [b"hi", b"all"], "three=": [b"all"]}


def test_query_and_instance_send_by_themselves(sink: Sink, gateway: ApiGateway) -> None:
    first, _second = connect(gateway, "one=", "two=")

    assert counts(WebSocketSession.objects.order_by("-pk")[:1].send_message({"n": 1})) == (1, 0, 0)
    assert counts(first.send_message({"n": 2})) == (1, 0, 0)
    assert sink.received == {"two=": [b'{"n":1}'], "one=": [b'{"n":2}']}


def test_nobody_there_is_complete(gateway: ApiGateway) -> None:
    report = broadcast({}, channel="lobby")

    assert counts(report) == (0, 0, 0)
    assert report.complete


@pytest.mark.parametrize("audience", [{}, {"channel": "a", "everyone": True}, {"everyone": False}])
def test_exactly_one_audience_is_wanted(audience: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="exactly one"):
        broadcast({}, **audience)


@pytest.mark.parametrize("name", ["", "x" * 192])
def test_a_name_that_no_channel_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        broadcast({}, channel=name)


def test_an_impossible_message_is_refused_before_anything_is_asked(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0), pytest.raises(InvalidMessageError):
        broadcast({"_ws": {}}, channel="lobby")


def test_gateways_of_any_place_are_mixed_and_one_that_was_never_created_fails_alone(
    sink: Sink, gateway: ApiGateway
) -> None:
    with running_sink() as other:
        connect(gateway, "here=")
        connect(other.gateway(stage_name="test"), "there=")
        connect(ApiGatewayFactory.create(planned=True, api_name="not yet"), "nowhere=")

        report = broadcast({}, channel="lobby")

        assert other.requests[0][1].endswith("/test/@connections/there%3D")
    assert list(sink.received) == ["here="]
    assert counts(report) == (2, 0, 1)
    assert report.failures == (
        Failure(
            "nowhere=",
            "Gateway 'not yet' does not exist in AWS yet. Run `manage.py create_gateway 'not yet'`.",
        ),
    )


def test_a_million_would_be_paged_not_joined(
    sink: Sink, gateway: ApiGateway, django_assert_num_queries: Any
) -> None:
    connect(gateway, *(f"c{number}=" for number in range(20)))

    with django_assert_num_queries(3):
        assert broadcast({}, channel="lobby").delivered == 20


@pytest.mark.parametrize("number", [1, 40])
@pytest.mark.parametrize("engine", ["asyncio", "boto3"])
def test_the_engine_asked_for_is_taken(
    sink: Sink, gateway: ApiGateway, settings: Any, engine: str, number: int
) -> None:
    settings.WEBSOCKET_GATEWAY = {"SEND_ENGINE": engine}
    connect(gateway, *(f"c{place}=" for place in range(number)))

    report = broadcast({}, channel="lobby")

    assert (report.engine, report.delivered, len(sink.received)) == (engine, number, number)


@pytest.mark.parametrize(("number", "engine"), [(16, "boto3"), (17, "asyncio")])
def test_auto_takes_boto3_for_a_few_and_asyncio_for_many(
    sink: Sink, gateway: ApiGateway, number: int, engine: str
) -> None:
    connect(gateway, *(f"c{place}=" for place in range(number)))

    assert broadcast({}, channel="lobby").engine == engine


def test_auto_takes_boto3_where_a_proxy_must_be_used_and_asyncio_refuses_it(
    sink: Sink, gateway: ApiGateway, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{sink.port}")
    monkeypatch.setenv("no_proxy", "")
    connect(gateway, *(f"c{place}=" for place in range(20)))

    report = broadcast({}, channel="lobby")
    settings.WEBSOCKET_GATEWAY = {"SEND_ENGINE": "asyncio"}

    assert (report.engine, report.delivered) == ("boto3", 20)
    # A proxy is asked for the whole URL.
    assert sink.requests[0][1].startswith(f"http://127.0.0.1:{sink.port}/_api/")
    with pytest.raises(ConfigurationError, match="NO_PROXY"):
        broadcast({}, channel="lobby")


def test_progress_is_told_with_the_final_figures_last(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "one=", "two=")
    told: list[DeliveryReport] = []

    report = send({}, to=WebSocketSession.objects.all(), on_progress=told.append)

    assert told[-1] == report


@pytest.mark.parametrize("engine", ["asyncio", "boto3"])
def test_ctrl_c_ends_it_with_what_was_begun_counted(
    sink: Sink, gateway: ApiGateway, settings: Any, engine: str
) -> None:
    settings.WEBSOCKET_GATEWAY = {"SEND_ENGINE": engine, "SEND_CONCURRENCY": 8}
    names = [f"c{number:03}=" for number in range(300)]
    connect(gateway, *names)
    sink.delay_seconds = 0.02
    told: list[DeliveryReport] = []

    def interrupt(report: DeliveryReport) -> None:
        told.append(report)
        if len(told) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broadcast({}, channel="lobby", on_progress=interrupt)

    assert 0 < told[-1].delivered < 300
    assert abs(told[-1].delivered - len(sink.received)) <= 1


def test_the_pace_is_kept(sink: Sink, gateway: ApiGateway, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"SEND_MAX_PER_SECOND": 20}
    connect(gateway, *(f"c{number}=" for number in range(21)))

    report = broadcast({}, channel="lobby")

    # The first two may go at once; the others follow at 50 ms each.
    assert 0.85 <= report.seconds < 5
