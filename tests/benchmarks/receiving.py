"""Events per second through `WebSocketView`, against a bare view that parses the JSON and reads the row.

Run it with `python -m tests.benchmarks.receiving`; `WEBSOCKET_GATEWAY_TEST_DATABASE` selects the
database. Both views are called directly through `as_view()`, in one process and in short turns,
so that whatever else the machine does slows both down. The figure is the median of the ratios of
all turns. Then the view is measured again, part by part: the microseconds of a part are those
that its own parts do not take, up to one of them for the measuring itself.
"""

from __future__ import annotations

import json
import os
import pkgutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any
from unittest import mock

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.views.generic import View  # noqa: E402

from tests.benchmarks.results import keep  # noqa: E402
from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory  # noqa: E402
from websocket_gateway.logins import hash_session_auth  # noqa: E402
from websocket_gateway.models import WebSocketSession  # noqa: E402
from websocket_gateway.testing import message_request  # noqa: E402
from websocket_gateway.views import WebSocketView  # noqa: E402

MESSAGES = 25
ROUNDS = 320
LIMITS = {"sqlite": 1.2, "postgresql": 1.3}
FRAME = {"handler": "say", "text": "hello, everybody", "room": 7, "tags": ["a", "b"]}


class ChatView(WebSocketView):
    """What is measured: secret, event, row with its user, revocation, count of the minute, handler."""

    MAX_MESSAGES_PER_MINUTE = 1_000_000

    def say(self, request: HttpRequest) -> dict[str, Any]:
        return {"said": self.body["text"]}


class BareView(View):
    """The rival: parse the JSON, read the row by its indexed id."""

    def post(self, request: HttpRequest) -> HttpResponse:
        body = json.loads(request.body)
        WebSocketSession.objects.get(connection_id=request.META["HTTP_CONNECTIONID"])
        return JsonResponse({"said": body["text"]})


VIEWS = "websocket_gateway.views"
PARTS = {
    f"{VIEWS}.websocket.take_credentials": "secrets taken out of the request",
    f"{VIEWS}.checks.check_declared_size": "check: declared size",
    f"{VIEWS}.checks.find_gateway": "gateway: cached row, copied",
    f"{VIEWS}.checks.has_origin_secret": "check: origin secret",
    f"{VIEWS}.checks.missing": "check: required headers",
    f"{VIEWS}.checks.check_body": "body read; check: size",
    f"{VIEWS}.websocket.parse_event": "headers parsed; check: event",
    f"{VIEWS}.message.parse_frame": "JSON parsed; check: frame",
    f"{VIEWS}.message.find_session": "query: connection and user",
    "websocket_gateway.compiled_queries.lookups._Bound.build": "objects of connection and user",
    f"{VIEWS}.message.renew_user": "check: backend, active, password",
    f"{VIEWS}.message.touch": "last seen, once a minute",
    f"{VIEWS}.limits.limit_messages": "check: messages of the minute",
    f"{VIEWS}.message.has_permissions": "check: permissions of the view",
    f"{VIEWS}.message.send_safely": "signal message_received",
    f"{VIEWS}.message.answer": "response",
}


def main() -> int:
    """Measure, print, and answer 1 where the ratio is beyond the database's limit."""
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        call_command("check", verbosity=0)
        ratio = measure()
    finally:
        teardown_databases(databases, verbosity=0)
    limit = LIMITS.get(connection.vendor)
    return int(limit is not None and ratio > limit)


def measure() -> float:
    """How many times the bare view's time ours takes."""
    gateway, user = ApiGatewayFactory.create(), UserFactory.create()
    ours = _caller(ChatView.as_view(), gateway, user, route="default")
    bare = _caller(BareView.as_view(), gateway, user)
    ours(50)
    bare(50)
    rounds = [(ours(MESSAGES), bare(MESSAGES)) for _ in range(ROUNDS)]
    mine, theirs = (statistics.median(column) / MESSAGES for column in zip(*rounds, strict=True))
    ratio = statistics.median(one / other for one, other in rounds)
    _print(f"{connection.vendor}: {1 / mine:,.0f} events/s, {mine * 1e6:.0f} µs each")
    _print(f"bare view: {1 / theirs:,.0f} events/s, {theirs * 1e6:.0f} µs each; ratio {ratio:.2f}")
    keep("our view", f"{mine * 1e6:.0f} µs")
    keep(
        "a bare view: JSON parsed, row read",
        f"{theirs * 1e6:.0f} µs",
        f"ours takes {ratio:.2f} times its time",
    )
    with measured_parts() as parts:
        for _ in range(ROUNDS):
            ours(MESSAGES)
    medians = {name: statistics.median(taken) / 1000 for name, taken in parts.items()}
    whole = sum(medians.values())
    for name, microseconds in sorted(medians.items(), key=lambda item: -item[1]):
        _print(f"{microseconds:7.1f} µs {microseconds / whole:6.1%}  {name}")
    return ratio


@contextmanager
def measured_parts() -> Iterator[dict[str, list[int]]]:
    """Note the nanoseconds of each part of a message in this block, without those of the parts inside it."""
    parts: dict[str, list[int]] = {}
    inside: list[int] = []

    def timed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        taken = parts.setdefault(name, [])

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            inside.append(0)
            begun = time.perf_counter_ns()
            try:
                return function(*args, **kwargs)
            finally:
                elapsed = time.perf_counter_ns() - begun
                taken.append(elapsed - inside.pop())
                if inside:
                    inside[-1] += elapsed

        return call

    with ExitStack() as patches:
        for path, name in PARTS.items():
            patches.enter_context(mock.patch(path, timed(pkgutil.resolve_name(path), name)))
        patches.enter_context(
            mock.patch.object(ChatView, "say", timed(ChatView.say, "handler of the project"))
        )
        rest = timed(ChatView.dispatch, "all between these")
        patches.enter_context(mock.patch.object(ChatView, "dispatch", rest))
        yield parts


def _caller(view: Any, gateway: Any, user: Any, **kwargs: Any) -> Callable[[int], float]:
    def call(times: int) -> float:
        # A connection for each turn: MAX_MESSAGES_PER_MINUTE holds, and what it costs is measured.
        session = WebSocketSessionFactory.create(
            api_gateway=gateway,
            user=user,
            session_auth_hash=hash_session_auth(user),
            auth_backend="django.contrib.auth.backends.ModelBackend",
        )
        requests = [message_request(gateway, session.connection_id, FRAME) for _ in range(times)]
        begun = time.perf_counter()
        for request in requests:
            response = view(request, **kwargs)
        elapsed = time.perf_counter() - begun
        if response.status_code != 200:
            raise SystemExit(f"The view answered {response.status_code}: {response.content!r}")
        return elapsed

    return call


def _print(line: str) -> None:
    print(line)  # noqa: T201


if __name__ == "__main__":
    raise SystemExit(main())
