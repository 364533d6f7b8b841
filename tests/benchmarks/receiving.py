"""Events per second through `WebSocketView`, against a bare view that parses the JSON and reads the row.

Run it with `python -m tests.benchmarks.receiving`; `WEBSOCKET_GATEWAY_TEST_DATABASE` selects the
database. Both views are called directly through `as_view()`, in one process and in short turns,
so that whatever else the machine does slows both down; the figure is the ratio of the medians.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.views.generic import View  # noqa: E402

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory  # noqa: E402
from websocket_gateway.logins import hash_session_auth  # noqa: E402
from websocket_gateway.models import WebSocketSession  # noqa: E402
from websocket_gateway.testing import message_request  # noqa: E402
from websocket_gateway.views import WebSocketView  # noqa: E402

MESSAGES = 100
ROUNDS = 80
LIMITS = {"sqlite": 2.0, "postgresql": 1.8}
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
    ratio: float = mine / theirs
    print(f"{connection.vendor}: {1 / mine:,.0f} events/s, {mine * 1e6:.0f} µs each")  # noqa: T201
    print(f"bare view: {1 / theirs:,.0f} events/s, {theirs * 1e6:.0f} µs each; ratio {ratio:.2f}")  # noqa: T201
    return ratio


def _caller(view: Any, gateway: Any, user: Any, **kwargs: Any) -> Callable[[int], float]:
    def call(times: int) -> float:
        # A connection for each turn: MAX_MESSAGES_PER_MINUTE holds, and what it costs is measured.
        session = WebSocketSessionFactory.create(
            api_gateway=gateway, user=user, session_auth_hash=hash_session_auth(user)
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


if __name__ == "__main__":
    raise SystemExit(main())
