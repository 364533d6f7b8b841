"""The security log: a record for each refusal, limit, forged event, replay, revocation, foreign gateway."""

from __future__ import annotations

import logging
import re
from typing import Any, get_args

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from tests.docs.pages import ROOT
from tests.factories import (
    ApiGatewayFactory,
    ChannelPermissionFactory,
    UserFactory,
    WebSocketSessionFactory,
)
from tests.security.staging import MESSAGE, Staging
from tests.support.commands import run
from tests.views.urls import StackView
from websocket_gateway.connections import disconnect, revoke, verify
from websocket_gateway.models import WebSocketSession
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.security_log import EVENTS, FIELDS, LOGGER, Refused
from websocket_gateway.testing.events import DEFAULT_ORIGIN
from websocket_gateway.views.responses import ErrorCode

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


@pytest.fixture(autouse=True)
def origin_is_allowed(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": [DEFAULT_ORIGIN]}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Any:
    """The records of the logger so far, each as a dict of its fields."""
    caplog.set_level(logging.INFO, logger=LOGGER)

    def records() -> list[dict[str, Any]]:
        return [
            {name: vars(record)[name] for name in FIELDS}
            for record in caplog.records
            if record.name == LOGGER
        ]

    return records


class RefusingView(StackView):
    """Refuses by hooks of its own, which log nothing."""

    deduplicate = True

    def permission_denied(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=403)

    def missing_headers(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=400)

    def session_not_found(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=410)

    def connect(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=418 if self.websocket_session.channel_name == "tea" else 200)

    def tell(self, request: HttpRequest) -> None:
        raise PermissionDenied("not today")


class Trials:
    """What a client can do at `$connect` and with frames: rule -> the reply of the last event."""

    def __init__(self, ws_client: Any) -> None:
        self.user = UserFactory.create()
        self.make = ws_client
        self.client = ws_client(RefusingView)

    def connect(self, **options: Any) -> Any:
        return self.client.connect(user=self.user, **options)

    def open(self, view: Any = RefusingView, **initkwargs: Any) -> Any:
        self.client = self.make(view, **initkwargs)
        assert self.connect().ok
        return self.client


def forged(**headers: str) -> Any:
    return lambda t: t.connect(headers=headers)


def sent(frame: Any, **initkwargs: Any) -> Any:
    return lambda t: t.open(**initkwargs).send(frame)


def control(kind: str, **fields: Any) -> Any:
    return lambda t: t.open().control(kind, **fields)


def twice(t: Trials, **initkwargs: Any) -> Any:
    t.open(**initkwargs)
    t.client = t.make(RefusingView, **initkwargs)
    return t.connect()


def used_token(t: Trials) -> Any:
    token = issue_token(t.user)
    t.client.connect(token=token)
    return t.make(RefusingView).connect(token=token)


def reconnected(t: Trials) -> Any:
    t.open()
    return t.connect()


def elsewhere(t: Trials) -> Any:
    client = t.open()
    client.gateway = ApiGatewayFactory.create()
    return client.control("ping")


def pinned(t: Trials) -> Any:
    real = t.client.gateway.api_id
    client = t.make(RefusingView, aws_api_gateway_id="other")
    return client.connect(user=t.user, headers={"X-Amzn-Apigateway-Api-Id": real})


def again(t: Trials) -> Any:
    t.open()
    for _ in range(2):
        reply = t.client.send({"handler": "say", "_ws": {"id": 1, "client": "page"}})
    return reply


def ended(t: Trials) -> Any:
    t.open().disconnect()
    return t.client.control("ping")


TRIALS = {
    "origin_denied": lambda t: t.connect(origin="https://evil.example"),
    "token: missing": lambda t: t.client.connect(),
    "token: unknown": lambda t: t.client.connect(token="wrong"),
    "token: used": used_token,
    "RATE_LIMIT_MAX_ATTEMPTS": lambda t: twice(t, RATE_LIMIT_MAX_ATTEMPTS=1),
    "MAX_CONNECTIONS_PER_USER": lambda t: twice(t, MAX_CONNECTIONS_PER_USER=1),
    "MAX_MESSAGES_PER_MINUTE": lambda t: [
        t.open(MAX_MESSAGES_PER_MINUTE=1).control("ping"),
        t.client.control("ping"),
    ],
    "origin_secret": forged(wsOriginSecret="guess"),
    "unknown_gateway": forged(**{"X-Amzn-Apigateway-Api-Id": "abc123"}),
    "invalid_event": forged(wsSourceIp="everywhere"),
    "missing_headers": forged(**{"Sec-WebSocket-Key": ""}),
    "pinned_gateway": pinned,
    "other_gateway": elsewhere,
    "already_connected": reconnected,
    "connect_hook": lambda t: t.connect(channel="tea"),
    "invalid_channel": lambda t: t.connect(channel="a b"),
    "channel_denied": control("subscribe", channels={"staff": {"last": 1}}),
    "not_subscribed": control("recover", channels={"kept": {"epoch": "e", "offset": 1}}),
    "permission_denied": sent({"handler": "tell"}),
    "unknown_handler": sent({"handler": "nonsense"}),
    "invalid_frame": sent("["),
    "too_large": sent({"handler": "say", "text": "x" * 200}, MAX_BODY_SIZE=100),
    "duplicate": again,
    "not_connected": ended,
}


@pytest.mark.parametrize("rule", TRIALS)
def test_each_refusal_has_one_record(rule: str, ws_client: Any, log: Any, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY |= {"CHANNELS": {"kept": {"HISTORY_MESSAGES": 5}}}
    ChannelPermissionFactory.create(channel_name="staff", audience="staff")
    trials = Trials(ws_client)
    TRIALS[rule](trials)

    (record,) = log()
    assert (record["rule"], record["event"]) == (rule, EVENTS[rule])
    assert record["gateway"] or rule in ("unknown_gateway", "too_large")  # before the gateway is known
    assert record["connection_id"]
    assert record["route"] in ("connect", "default")
    assert record["left_out"] is None
    if record["route"] == "connect":
        assert record["source_ip"]
        assert record["origin"] in (DEFAULT_ORIGIN, "https://evil.example")
    elif record["event"] not in ("forged", "limited") and rule not in ("not_connected", "invalid_frame"):
        assert record["user_id"] == trials.user.pk
    if rule != "duplicate":
        assert record["status"] >= 400
        assert record["code"] in {code.code for code in ErrorCode}


def test_address_of_a_forged_event_is_that_of_the_request(ws_client: Any, log: Any) -> None:
    ws_client(StackView).connect(user=UserFactory.create(), headers={"wsOriginSecret": "guess"})

    assert log()[0]["source_ip"] == "127.0.0.1"


def test_request_by_another_method_is_recorded(rf: RequestFactory, log: Any) -> None:
    StackView.as_view()(rf.get("/ws/connect", {"ws_token": "t"}), route="connect")

    (record,) = log()
    assert (record["rule"], record["source_ip"]) == ("method_not_allowed", "127.0.0.1")


@pytest.mark.urls("tests.views.urls")
class TestTokenView:
    """Refusals of the token view."""

    def post(self, user: Any = None, **headers: str) -> Any:
        client = Client(enforce_csrf_checks=True)
        if user:
            client.force_login(user)
        client.cookies["csrftoken"] = "a" * 32
        return client.post("/token/", headers={"X-CSRFToken": "a" * 32, **headers})

    def test_csrf(self, log: Any) -> None:
        assert self.post(**{"X-CSRFToken": "b" * 32}).json() == {"error": "csrf_failed"}

        (record,) = log()
        assert (record["rule"], record["code"], record["status"]) == ("csrf_failed", "csrf_failed", 403)

    def test_origin(self, log: Any) -> None:
        self.post(Origin="https://evil.example")

        (record,) = log()
        assert (record["rule"], record["origin"]) == ("csrf_origin", "https://evil.example")

    def test_query_string_of_the_page_is_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        client = Client(enforce_csrf_checks=True)
        client.cookies["csrftoken"] = "a" * 32
        client.post("/token/", headers={"Referer": "https://evil.example/?reset=s3cret"}, secure=True)

        assert [vars(record)["rule"] for record in caplog.records if record.name == LOGGER] == ["csrf_origin"]
        assert "s3cret" not in caplog.text

    def test_nobody_is_logged_in(self, log: Any) -> None:
        self.post()

        assert [record["rule"] for record in log()] == ["not_authenticated"]

    def test_limit(self, log: Any, settings: Any) -> None:
        settings.WEBSOCKET_GATEWAY |= {"TOKEN_RATE_LIMIT_PER_MINUTE": 1}
        user = UserFactory.create()
        assert [self.post(user).status_code for _ in range(2)] == [200, 429]

        (record,) = log()
        assert (record["rule"], record["user_id"]) == ("TOKEN_RATE_LIMIT_PER_MINUTE", user.pk)

    def test_another_method(self, log: Any) -> None:
        assert Client().get("/token/").status_code == 405

        assert [record["rule"] for record in log()] == ["method_not_allowed"]


@pytest.mark.usefixtures("fake_connections")
class TestRevocations:
    """Ends that we decide; others are none."""

    def test_one_for_each_connection_with_its_reason(
        self, log: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        rows = WebSocketSessionFactory.create_batch(3, user=UserFactory.create())
        with django_capture_on_commit_callbacks(execute=True):
            disconnect(rows[:1], reason="admin")
            revoke(WebSocketSession.objects.filter(pk=rows[1].pk), reason="logout")
            revoke(WebSocketSession.objects.filter(pk=rows[2].pk), reason="left\nthe company")
            assert log() == []  # before the commit

        rules = [record["rule"] for record in log()]
        assert rules == ["revoked: admin", "revoked: logout", "revoked: other"]
        for row, record in zip(rows, log(), strict=True):
            known = (record["event"], record["user_id"], record["connection_id"], record["gateway"])
            assert known == ("revoked", row.user_id, row.connection_id, row.api_gateway.api_name)

    @pytest.mark.parametrize("change", ["password", "deactivated", "deleted"])
    def test_change_of_a_user(self, change: str, log: Any, django_capture_on_commit_callbacks: Any) -> None:
        user = UserFactory.create()
        WebSocketSessionFactory.create(user=user, session_auth_hash="of-the-old-password")
        with django_capture_on_commit_callbacks(execute=True):
            if change == "password":
                user.set_password("another")
                user.save()
            elif change == "deactivated":
                user.is_active = False
                user.save()
            else:
                user.delete()

        assert [record["rule"] for record in log()] == [f"revoked: {change}"]

    def test_none_after_a_rollback(self, log: Any, django_capture_on_commit_callbacks: Any) -> None:
        row = WebSocketSessionFactory.create()
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            revoke(WebSocketSession.objects.filter(pk=row.pk))
            transaction.set_rollback(True)

        assert log() == []

    def test_client_that_leaves_is_not_revoked(self, ws_client: Any, log: Any) -> None:
        client = ws_client(StackView)
        client.connect(user=UserFactory.create())
        client.disconnect()

        assert log() == []


@pytest.mark.django_db(transaction=True)
def test_foreign_gateway_is_recorded_wherever_it_is_refused(staging: Staging, log: Any) -> None:
    assert staging.rows.send_message(MESSAGE).failed == 2
    verify(staging.rows)
    revoke(staging.rows)
    assert run("sync_routes", "chat").status != 0
    assert run("delete_gateway", "chat", "--no-input").status != 0

    foreign = [record for record in log() if record["event"] == "foreign"]
    assert [record["gateway"] for record in foreign] == ["chat"] * 5
    assert {record["rule"] for record in foreign} == {"foreign_gateway"}


def test_no_secret_that_a_hook_gives_away_is_written(
    ws_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class TalkativeView(StackView):
        def additional_connection_checks(self, request: HttpRequest) -> tuple[bool, str]:
            return False, f"token {self.event.token}, secret {origin_secret(self.api_gateway.api_id)}"  # type: ignore[union-attr]

    client, token = ws_client(TalkativeView), issue_token(UserFactory.create())
    client.connect(token=token)

    (record,) = [record for record in caplog.records if record.name == LOGGER]
    assert "token hidden, secret hidden" in record.getMessage()
    assert token not in str(vars(record))
    assert origin_secret(client.gateway.api_id) not in str(vars(record))


def test_one_function_writes_to_the_logger() -> None:
    package = ROOT / "websocket_gateway"
    logger = r"getLogger\(['\"]websocket_gateway\.security|security_log\.logger|get_?[lL]ogger\(LOGGER"
    named = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(logger, path.read_text())
    }

    assert named == {"security_log.py"}
    source = (package / "security_log.py").read_text()
    assert len(re.findall(r"\blogger\.(?!isEnabledFor)\w+\(", source)) == 1


def test_rules_are_a_closed_set_that_has_every_code_of_an_answer() -> None:
    assert {code.code for code in ErrorCode} <= EVENTS.keys()
    assert "other" in get_args(Refused)
    assert set(EVENTS.values()) == {"refused", "limited", "forged", "replayed", "revoked", "foreign"}
    written = {
        rule
        for path in (ROOT / "websocket_gateway").rglob("*.py")
        for rule in re.findall(r"\brule=\"([^\"]+)\"", path.read_text())
    }
    assert written <= EVENTS.keys()
