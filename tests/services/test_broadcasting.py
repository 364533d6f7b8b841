"""The whole pipeline: rows, boto3, a real server, and the report."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection as db_connection
from django.db import transaction
from django.utils import timezone

from tests.factories import (
    ApiGatewayFactory,
    ChannelSubscriptionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from tests.sink import Sink, running_sink
from tests.threads import run_together
from websocket_gateway.exceptions import (
    ConfigurationError,
    InvalidMessageError,
    MissingCredentialsError,
    MissingRegionError,
)
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.services import endpoints
from websocket_gateway.services.broadcasting import DeliveryReport, Failure, broadcast, send
from websocket_gateway.services.contention import retry_when_busy
from websocket_gateway.signals import connection_gone

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running_sink() as server:
        yield server


@pytest.fixture
def gateway(sink: Sink) -> ApiGateway:
    return sink.gateway()


def connect(gateway: ApiGateway, *connection_ids: str, **fields: Any) -> list[WebSocketSession]:
    return [
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=connection_id, **fields)
        for connection_id in connection_ids
    ]


def counts(report: DeliveryReport) -> tuple[int, int, int]:
    return report.delivered, report.gone, report.failed


def test_everyone_in_the_channel_gets_the_frame_once(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "kXyZ=", "KxYz=", "kxyz=")
    subscriber = connect(gateway, "sub=", channel_name="other")[0]
    ChannelSubscriptionFactory.create(session=subscriber, channel_name="lobby")
    connect(gateway, "elsewhere=", channel_name="other")

    report = broadcast({"text": "é"}, channel="lobby")

    frame = [b'{"text":"\xc3\xa9"}']
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


def test_gone_sessions_are_ended_and_the_others_are_left_alone(sink: Sink, gateway: ApiGateway) -> None:
    gone, alive = connect(gateway, "AbC=", "aBc=")
    sink.answers["AbC="] = 410

    report = broadcast({}, channel="lobby")

    gone.refresh_from_db()
    alive.refresh_from_db()
    assert counts(report) == (1, 1, 0)
    assert report.complete
    assert not gone.connected
    assert gone.disconnected_on is not None
    assert alive.connected


def test_whoever_listens_is_told_which_connections_were_gone(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "gone=", "alive=")
    sink.answers["gone="] = 410
    told: list[tuple[str, ...]] = []

    def listen(sender: Any, connection_ids: tuple[str, ...], **kwargs: Any) -> None:
        told.append(connection_ids)

    connection_gone.connect(listen)
    try:
        broadcast({}, channel="lobby")
    finally:
        connection_gone.disconnect(listen)

    assert told == [("gone=",)]


def test_a_session_too_young_to_be_called_gone_stays_and_counts_as_failed(
    sink: Sink, gateway: ApiGateway
) -> None:
    (session,) = connect(gateway, "young=", fresh=True)
    sink.answers["young="] = 410

    report = broadcast({}, channel="lobby")

    session.refresh_from_db()
    assert counts(report) == (0, 0, 1)
    assert session.connected
    assert dict(report.reasons) == {"gone or not open yet: connected less than 15 s ago": 1}


def test_who_connects_while_it_runs_is_never_marked_gone(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, *(f"old{number}=" for number in range(40)))
    started = threading.Event()

    def connect_one(connection_id: str) -> None:
        # Inside `$connect`: the row is there, the socket is not yet.
        if not started.is_set():
            started.set()
            connect(gateway, "racing=", created_on=timezone.now())
            # This is a thread of the server: its database connection is its own.
            db_connection.close()

    sink.on_request = connect_one
    sink.answers["racing="] = 410
    sink.answers["old7="] = 410

    broadcast({}, channel="lobby")
    broadcast({}, channel="lobby")

    ended = WebSocketSession.objects.filter(connected=False)
    assert [row.connection_id for row in ended] == ["old7="]


def test_marking_costs_one_update_however_many_are_gone(
    sink: Sink, gateway: ApiGateway, django_assert_num_queries: Any
) -> None:
    names = [f"gone{number}=" for number in range(30)]
    connect(gateway, *names)
    sink.answers = dict.fromkeys(names, 410)

    # Two streams, the gateway, one UPDATE.
    with django_assert_num_queries(4) as queries:
        report = broadcast({}, channel="lobby")

    assert report.gone == 30
    assert sum(query["sql"].startswith("UPDATE") for query in queries.captured_queries) == 1


def test_a_million_would_be_paged_not_joined(
    sink: Sink, gateway: ApiGateway, django_assert_num_queries: Any
) -> None:
    connect(gateway, *(f"c{number}=" for number in range(20)))

    with django_assert_num_queries(3):
        assert broadcast({}, channel="lobby").delivered == 20


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

    assert "1 of 1 recipients did not get a message" in caplog.text


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


def test_nobody_fresh_is_marked_gone_while_a_thousand_come_and_go(
    sink: Sink, gateway: ApiGateway, settings: Any
) -> None:
    """The service says "gone" of those that are not open yet, as it does while `$connect` is answered."""
    settings.WEBSOCKET_GATEWAY = {"SEND_MAX_PER_SECOND": 0, "CONNECT_GRACE_SECONDS": 3600}
    connect(gateway, *(f"old{number}=" for number in range(100)))
    finished = threading.Event()
    fresh = [f"fresh{number}=" for number in range(1000)]
    sink.answers = dict.fromkeys(fresh, 410)

    def come_and_go() -> None:
        for start in range(0, 1000, 50):
            came = [
                WebSocketSession(connection_id=name, channel_name="lobby", api_gateway=gateway)
                for name in fresh[start : start + 50]
            ]
            retry_when_busy(lambda: WebSocketSession.objects.bulk_create(came), model=WebSocketSession)  # noqa: B023
            leave = WebSocketSession.objects.filter(connection_id__in=fresh[start : start + 25])
            retry_when_busy(lambda: leave.update(connected=False), model=WebSocketSession)  # noqa: B023
        finished.set()

    def keep_broadcasting() -> None:
        while not finished.is_set():
            broadcast({}, channel="lobby")
        assert broadcast({}, channel="lobby").delivered == 100

    run_together(come_and_go, keep_broadcasting)

    assert not WebSocketSession.objects.filter(disconnected_on__isnull=False).exists()
    assert WebSocketSession.objects.filter(connected=True).count() == 600
    assert sum(name.startswith("old") for name in sink.received) == 100
