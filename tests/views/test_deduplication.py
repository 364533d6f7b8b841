"""`deduplicate = True`: a message that its client sends again is handled once."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import AbstractBaseUser, Group
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import path

from tests.factories import ApiGatewayFactory, UserFactory
from tests.threads import run_together
from tests.views.stack import Stack
from websocket_gateway.models import ApiGateway, HandledMessage
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.views import WebSocketView

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


class OnceView(WebSocketView):
    """Each handler leaves one row for each time that it is called."""

    deduplicate = True
    trouble = threading.Event()
    """Set: the next call fails, the ones after it do not."""

    def say(self, request: HttpRequest) -> dict[str, Any]:
        self._count()
        return {"said": self.body.get("text")}

    async def think(self, request: HttpRequest) -> dict[str, Any]:
        await Group.objects.acreate(name=uuid.uuid4().hex)
        return {"thought": self.body.get("text")}

    def stumble(self, request: HttpRequest) -> HttpResponse:
        self._count()
        if OnceView.trouble.is_set():
            OnceView.trouble.clear()
            return self._fail()
        return HttpResponse("done", content_type="text/plain")

    def _count(self) -> None:
        Group.objects.create(name=uuid.uuid4().hex)

    def _fail(self) -> HttpResponse:
        return {"raises": _raise, "refuses": _refuse, "answers": _answer}[self.body["how"]]()


def _raise() -> HttpResponse:
    raise LookupError("secret detail")


def _refuse() -> HttpResponse:
    raise PermissionDenied


def _answer() -> HttpResponse:
    return HttpResponse("not now", status=503, content_type="text/plain")


class ManyTimesView(OnceView):
    deduplicate = False


urlpatterns = [
    path("ws/<str:route>", OnceView.as_view()),
    path("plain/<str:route>", ManyTimesView.as_view()),
]


@pytest.fixture
def gateway() -> ApiGateway:
    return ApiGatewayFactory.create()


def connected(gateway: ApiGateway, user: AbstractBaseUser | None = None, *, base: str = "/ws/") -> Stack:
    stack = Stack(gateway, base=base)
    assert stack.connect(token=issue_token(user or UserFactory.create())).status_code == 200
    return stack


def frame(message_id: str | int = "1", *, client: str | None = "page", **body: Any) -> dict[str, Any]:
    ours = {"id": message_id} | ({} if client is None else {"client": client})
    return {"handler": "say", "text": "hello", **body, "_ws": ours}


def times_handled() -> int:
    return Group.objects.count()


@pytest.mark.parametrize("handler", ["say", "think"])
def test_what_comes_again_is_acknowledged_and_not_handled_again(gateway: ApiGateway, handler: str) -> None:
    user = UserFactory.create()
    before, after = connected(gateway, user), connected(gateway, user)

    first = before.send(frame(handler=handler))
    again = after.send(frame(handler=handler))

    assert first.json()["_ws"] == {"reply_to": "1"}
    assert (again.status_code, again.json()) == (200, {"_ws": {"reply_to": "1", "duplicate": True}})
    assert times_handled() == 1


def test_it_costs_one_insert(gateway: ApiGateway) -> None:
    once, plain = connected(gateway), connected(gateway, base="/plain/")
    counts = []
    for stack in (plain, once):
        stack.send(frame(0))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            stack.send(frame(1))
        statements = [query["sql"] for query in queries if query["sql"].split()[0] in ("SELECT", "INSERT")]
        counts.append(len(statements))

    assert counts[1] == counts[0] + 1


def test_others_and_other_pages_and_other_ids_are_other_messages(gateway: ApiGateway) -> None:
    ada, grace = connected(gateway), connected(gateway)

    ada.send(frame("1"))
    for stack, message in (
        (grace, frame("1")),
        (ada, frame("1", client="another page")),
        (ada, frame("2")),
        (ada, frame(1)),
    ):
        assert "duplicate" not in stack.send(message).json()["_ws"]

    assert times_handled() == 5


def test_messages_without_id_or_client_are_handled_as_ever(gateway: ApiGateway) -> None:
    stack = connected(gateway)

    for message in (frame(client=None), {"handler": "say", "_ws": {"client": "page"}}, {"handler": "say"}):
        stack.send(message)
        stack.send(message)

    assert times_handled() == 6
    assert not HandledMessage.objects.exists()


def test_a_view_that_does_not_ask_for_it_handles_twice(gateway: ApiGateway) -> None:
    stack = connected(gateway, base="/plain/")

    stack.send(frame())
    stack.send(frame())

    assert times_handled() == 2


@pytest.mark.parametrize(
    ("how", "code"), [("raises", "internal_error"), ("refuses", "permission_denied"), ("answers", None)]
)
def test_what_failed_may_come_again_and_has_left_nothing(gateway: ApiGateway, how: str, code: str) -> None:
    stack = connected(gateway)
    OnceView.trouble.set()

    first = stack.send(frame(handler="stumble", how=how))
    left = times_handled()
    again = stack.send(frame(handler="stumble", how=how))

    assert (first.json()["_ws"]["error"]["code"] if code else first.content) == (code or b"not now")
    assert left == 0
    assert again.content == b"done"
    assert times_handled() == 1


@pytest.mark.parametrize(
    "message", [frame(handler="nonsense"), {"text": "x", "_ws": {"id": "1", "client": "page"}}]
)
def test_what_reaches_no_handler_is_refused_each_time(gateway: ApiGateway, message: dict[str, Any]) -> None:
    stack = connected(gateway)

    errors = [stack.send(message).json()["_ws"]["error"]["code"] for _ in range(2)]

    assert errors[0] == errors[1]
    assert not HandledMessage.objects.exists()


@pytest.mark.parametrize("client", ["", "x" * 65, 7, ["page"]])
def test_a_client_that_is_no_short_string_is_refused(gateway: ApiGateway, client: Any) -> None:
    reply = connected(gateway).send({"handler": "say", "_ws": {"id": "1", "client": client}})

    assert (reply.status_code, reply.json()["_ws"]["error"]["code"]) == (400, "invalid_frame")


def test_of_eight_that_come_together_one_is_handled(gateway: ApiGateway) -> None:
    user = UserFactory.create()
    stacks = [connected(gateway, user) for _ in range(8)]

    replies = run_together(*[lambda stack=stack: stack.send(frame()).json()["_ws"] for stack in stacks])

    assert sum(1 for reply in replies if reply.get("duplicate")) == 7
    assert times_handled() == 1


def test_of_eight_that_come_together_one_is_handled_though_the_first_fails(gateway: ApiGateway) -> None:
    user = UserFactory.create()
    stacks = [connected(gateway, user) for _ in range(8)]
    OnceView.trouble.set()
    message = frame(handler="stumble", how="raises")

    replies = run_together(*[lambda stack=stack: stack.send(message).content for stack in stacks])

    assert sum(b"internal_error" in reply for reply in replies) == 1
    assert sum(reply == b"done" for reply in replies) == 1
    assert sum(b"duplicate" in reply for reply in replies) == 6
    assert times_handled() == 1
