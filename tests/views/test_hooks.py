"""Hooks that a project replaces, and what becomes of their answers and exceptions."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse

from tests.factories import ApiGatewayFactory, UserFactory
from tests.views.builders import user_with
from tests.views.stack import Stack
from tests.views.urls import StackView
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.views import WebSocketView

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("within_one_minute")]


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        pytest.param("ж" * 60_000, True, id="below 128 KB in UTF-8, though far above it in escapes"),
        pytest.param("ж" * 65_537, False, id="above 128 KB"),
        pytest.param("half a character: \ud83d", True, id="half a character"),
    ],
)
def test_answer_is_as_long_as_its_utf8(connected: Any, text: str, arrives: bool) -> None:
    class View(WebSocketView):
        def tell(self, request: HttpRequest) -> dict[str, Any]:
            return {"text": text}

    reply = connected(View).send({"handler": "tell"})

    assert reply.json() == {"text": text} if arrives else reply.error == "internal_error"


def test_async_handler_that_awaits_what_was_cancelled_is_answered_500(connected: Any) -> None:
    class View(WebSocketView):
        async def wait(self, request: HttpRequest) -> None:
            task = asyncio.ensure_future(asyncio.sleep(60))
            task.cancel()
            await task

    assert connected(View).send({"handler": "wait"}, reply_id="1").error == "internal_error"


def test_hooks_can_be_replaced(ws_client: Any) -> None:
    def hook(status: int) -> Any:
        return lambda self, request: HttpResponse("own", status=status)

    names = {
        "missing_headers": 418,
        "session_not_found": 419,
        "handler_selection_key_missing": 420,
        "permission_denied": 421,
    }
    view: Any = type("View", (StackView,), {name: hook(status) for name, status in names.items()})
    client = ws_client(view)

    assert client.connect(user=UserFactory.create(), headers={"Host": ""}).status_code == 418
    assert client.send({"handler": "say"}).status_code == 419
    client.connect(user=UserFactory.create())
    assert client.send({"text": "x"}).status_code == 420
    assert client.send({"handler": "guarded"}, reply_id="1").status_code == 421


@pytest.mark.parametrize("answered", [None, {"sorry": "no"}], ids=["nothing", "a dict"])
def test_refusing_hooks_refuse_the_handshake_whatever_they_return(ws_client: Any, answered: Any) -> None:
    class View(StackView):
        required_connection_headers = ("Sec-WebSocket-Key", "X-Extra")
        permissions_required = ("auth.view_user",)

        def missing_headers(self, request: HttpRequest) -> Any:
            return answered

        async def permission_denied(self, request: HttpRequest) -> Any:
            return answered

    client, extra = ws_client(View), {"X-Extra": "1"}
    user = user_with("view_user")

    replies = [
        client.connect(user=user, headers={"Host": "", **extra}),
        client.connect(user=user),
        client.connect(user=user_with("add_user"), headers=extra),
    ]
    client.connect(user=user, headers=extra)
    user.user_permissions.clear()

    assert [reply.status_code for reply in replies] == [400, 400, 403]
    assert client.send({"handler": "say"}).json() == answered


def test_useragent_hook_can_be_replaced(ws_client: Any, settings: Any) -> None:
    class View(StackView):
        def invalid_useragent(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse(status=418)

    settings.WEBSOCKET_GATEWAY = {"ORIGIN_SECRET_REQUIRED": False}

    assert ws_client(View).send({}, headers={"User-Agent": "curl"}).status_code == 418


def test_connection_hooks_see_the_session(ws_client: Any) -> None:
    seen: list[str] = []

    class View(StackView):
        def connect(self, request: HttpRequest) -> None:
            seen.append(f"in {self.websocket_session.connection_id} {self.event.connection_id}")

        def disconnect(self, request: HttpRequest) -> None:
            seen.append(f"out {self.websocket_session.connection_id} {request.user}")

    user = UserFactory.create()
    client = ws_client(View)
    client.connect(user=user)
    client.disconnect()

    assert seen == [f"in {client.connection_id} {client.connection_id}", f"out {client.connection_id} {user}"]


def test_connect_hook_can_refuse_and_the_row_ends(ws_client: Any) -> None:
    class View(StackView):
        def connect(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse(status=403)

    client = ws_client(View)

    assert client.connect(user=UserFactory.create()).status_code == 403
    assert not client.session.connected


def test_connect_hook_that_raises_leaves_an_ended_row(ws_client: Any) -> None:
    class View(StackView):
        def connect(self, request: HttpRequest) -> None:
            raise LookupError("no")

    client = ws_client(View)

    assert client.connect(user=UserFactory.create()).status_code == 500
    assert not client.session.connected


def test_additional_connection_checks_refuse_with_a_reason_for_the_log(
    ws_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class View(StackView):
        def additional_connection_checks(self, request: HttpRequest) -> tuple[bool, str]:
            return False, "the shop is closed"

    reply = ws_client(View).connect(user=UserFactory.create())

    assert (reply.status_code, reply.error) == (403, "connection_refused")
    assert b"closed" not in reply.content
    assert "the shop is closed" in caplog.text


def test_hooks_may_be_async(ws_client: Any) -> None:
    class View(StackView):
        async def can_join_channel(self, request: HttpRequest, channel_name: str) -> bool:
            return channel_name == "open"

        async def additional_connection_checks(self, request: HttpRequest) -> tuple[bool, str]:
            return True, ""

        async def has_any_permission(self, request: HttpRequest) -> bool:
            return True

    assert ws_client(View).connect(user=UserFactory.create(), channel="open").ok
    assert not ws_client(View).connect(user=UserFactory.create(), channel="closed").ok


def test_response_of_a_handler_is_passed_through(connected: Any) -> None:
    reply = connected().send({"handler": "raw"}, reply_id="1")

    assert (reply.status_code, reply.content) == (200, b"raw")


def test_handler_without_an_answer_sends_no_frame(connected: Any) -> None:
    reply = connected().send({"handler": "nothing"})

    assert (reply.status_code, reply.content) == (200, b"")


@pytest.mark.parametrize("result", ["text", 7, [1], {"_ws": {}}, {"x": object()}, {"x": float("nan")}])
def test_answer_that_cannot_be_sent_is_500(connected: Any, result: Any) -> None:
    class View(WebSocketView):
        def answer(self, request: HttpRequest) -> Any:
            return result

    assert connected(View).send({"handler": "answer"}).status_code == 500


def test_answer_beyond_128_kb_is_500(connected: Any) -> None:
    class View(WebSocketView):
        def answer(self, request: HttpRequest) -> Any:
            return {"x": "y" * 131_072}

    assert connected(View).send({"handler": "answer"}).status_code == 500


def test_answers_are_written_by_djangos_encoder(connected: Any) -> None:
    import datetime
    import decimal

    class View(WebSocketView):
        def answer(self, request: HttpRequest) -> Any:
            return {"at": datetime.date(2026, 1, 2), "price": decimal.Decimal("1.50")}

    assert connected(View).send({"handler": "answer"}).json() == {"at": "2026-01-02", "price": "1.50"}


@pytest.mark.parametrize(
    ("exception", "status", "code"),
    [
        (PermissionDenied("x"), 403, "permission_denied"),
        (Http404("x"), 404, "not_found"),
        (SuspiciousOperation("x"), 400, "bad_request"),
        (BadRequest("x"), 400, "bad_request"),
        (LookupError("x"), 500, "internal_error"),
    ],
)
def test_exception_of_a_handler_is_answered_as_django_would(
    connected: Any, exception: Exception, status: int, code: str
) -> None:
    class View(WebSocketView):
        def fail(self, request: HttpRequest) -> None:
            raise exception

    client = connected(View)

    plain, asked = client.send({"handler": "fail"}), client.send({"handler": "fail"}, reply_id="1")

    assert (plain.status_code, plain.error) == (status, code)
    assert (asked.status_code, asked.error) == (500 if status == 500 else 200, code)
    assert asked.json()["_ws"]["reply_to"] == "1"


@pytest.mark.urls("tests.views.urls")
def test_handler_that_raises_reaches_error_trackers_and_the_log(caplog: pytest.LogCaptureFixture) -> None:
    from django.core.signals import got_request_exception

    seen: list[Any] = []

    def note(sender: Any, request: HttpRequest, **kwargs: Any) -> None:
        seen.append(request.path)

    stack = Stack(ApiGatewayFactory.create())
    stack.connect(token=issue_token(UserFactory.create()))
    got_request_exception.connect(note)
    try:
        response = stack.send({"handler": "explode"})
    finally:
        got_request_exception.disconnect(note)

    assert response.status_code == 500
    assert seen == ["/ws/default"]
    (record,) = [record for record in caplog.records if record.name == "django.request"]
    assert record.exc_info is not None
    assert record.levelno == logging.ERROR
