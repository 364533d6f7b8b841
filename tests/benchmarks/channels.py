"""Channels with a history: how fast they are, beside the targets and beside the same work without them.

Run it with `python -m tests.benchmarks.channels [PART...]`; the parts are publishing, callers, reading,
fanout and storm. `WEBSOCKET_GATEWAY_TEST_DATABASE` selects the database, `BENCHMARK_MESSAGES` and
`BENCHMARK_CLIENTS` give smaller sizes. Figures stand beside their targets.
The absolute ones depend on the machine, so each is also measured against work that it cannot do without.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.support.served_settings")
django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import CaptureQueriesContext, setup_databases, teardown_databases  # noqa: E402

from tests.benchmarks.audience import Delivered  # noqa: E402
from tests.benchmarks.results import keep  # noqa: E402
from tests.benchmarks.returning import measure_storm  # noqa: E402
from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory  # noqa: E402
from tests.support import publishers  # noqa: E402
from tests.views.urls import StackView  # noqa: E402
from websocket_gateway.channels import history  # noqa: E402
from websocket_gateway.channels.bodies import recent_bodies  # noqa: E402
from websocket_gateway.logins import hash_session_auth  # noqa: E402
from websocket_gateway.models import WebSocketSession  # noqa: E402
from websocket_gateway.sending import broadcast, delivery  # noqa: E402
from websocket_gateway.testing import WebSocketClient  # noqa: E402

PROCESSES = 8
MESSAGES = int(os.environ.get("BENCHMARK_MESSAGES", "150"))
"""Of each process."""
ROUNDS = 50
RECIPIENTS = 10_000


def main(*parts: str) -> int:
    """Measure, print, and answer 1 where a ratio misses its target."""
    measures: dict[str, Callable[[], bool]] = {
        "publishing": measure_publishing,
        "callers": measure_callers,
        "reading": measure_reading,
        "fanout": measure_fanout,
        "storm": measure_storm,
    }
    databases = setup_databases(verbosity=0, interactive=False)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")
    try:
        print(f"{connection.vendor}, {os.cpu_count()} processors")  # noqa: T201
        kept = [measures[part]() for part in parts or measures]
    finally:
        teardown_databases(databases, verbosity=0)
    return 0 if all(kept) else 1


def tell(what: str, figure: str, target: str = "") -> None:
    """Print one line."""
    print(f"  {what:<58}{figure:>24}   {target and 'target ' + target}", flush=True)  # noqa: T201
    keep(what.strip(), figure, target and f"target {target}")


def measure_publishing() -> bool:
    """Messages a second without recipients, and one INSERT a message for comparison."""
    kinds = {
        "saved_only": "one INSERT a message, for comparison",
        "one": "one channel",
        "eight": "eight channels",
    }
    targets = {"one": ">= 500/s on PostgreSQL"} if connection.vendor == "postgresql" else {}
    rates = {}
    for kind, name in kinds.items():
        told = publishers.results(publishers.start(kind, MESSAGES, PROCESSES))
        rates[kind] = PROCESSES * MESSAGES / max(result["seconds"] for result in told)
        tell(f"publish, {PROCESSES} processes, {name}", f"{rates[kind]:,.0f}/s", targets.get(kind, ""))
        p50, p95 = (statistics.median(result[part] for result in told) * 1e3 for part in ("median", "p95"))
        tell("    latency p50, p95", f"{p50:.1f} ms, {p95:.1f} ms")
        assert not any(result["failed"] for result in told), told
    tell("    one channel to the bare INSERT", f"{rates['one'] / rates['saved_only']:.2f}")
    return True


def measure_callers() -> bool:
    """How long a caller's transaction with 0 to 10 ms of work lasts, beside one that publishes nothing."""
    held = {}
    for kind in ("slow_saved_only", "slow_transaction"):
        told = publishers.results(publishers.start(kind, MESSAGES // 3, PROCESSES))
        held[kind] = statistics.median(result["held"] for result in told)
    ratio: float = held["slow_saved_only"] / held["slow_transaction"]
    tell("speed of the caller's transaction, to one without numbering", f"{ratio:.0%}", ">= 80 %")
    return bool(ratio >= 0.8)


def measure_reading() -> bool:
    """What clients ask for, through the view."""
    for number in range(1, 21):
        for _ in range(110 if number == 1 else 5):
            broadcast({"text": "x" * 180}, channel=f"hot_{number}")
    names = [f"hot_{number}" for number in range(1, 21)]
    client = _client()
    tops = history.positions(names)
    earlier = {name: {**at, "offset": at["offset"] - 2} for name, at in tops.items()}
    page = {"hot_1": {**tops["hot_1"], "offset": 0}}

    subscribe_all = _frame(client, "subscribe", channels=tops)
    subscribe_all()
    _timed("recover, up to date", _frame(client, "recover", channels={"hot_1": tops["hot_1"]}), "<= 2 ms")
    _timed("page of 100 messages", _frame(client, "recover", channels=page), "<= 7 ms", cold=True)
    _timed("    read lately", _frame(client, "recover", channels=page), "<= 7 ms")
    fast = _timed("reconnect with 20 channels", subscribe_all, "<= 15 ms")
    _timed(
        "    with two messages each to recover",
        _frame(client, "subscribe", channels=earlier),
        "<= 15 ms",
        cold=True,
    )
    singles = [_frame(client, "subscribe", channel=name) for name in names]
    slow = _timed("    by a frame for each channel, for comparison", lambda: [call() for call in singles])
    tell("    one frame to twenty", f"{fast / slow:.2f}", "<= 0.17 (15 ms to 86 ms)")
    return fast / slow <= 15 / 86


def measure_fanout() -> bool:
    """A broadcast with a history to one without, for 10,000 recipients, beside their posts."""
    setattr(delivery, "open_engine", lambda *args, **options: Delivered())  # noqa: B010
    gateway = ApiGatewayFactory.create()
    for channel in ("hot_fanout", "plain"):
        WebSocketSession.objects.bulk_create(
            WebSocketSession(
                connection_id=f"{channel}{number:08}=", channel_name=channel, api_gateway=gateway
            )
            for number in range(RECIPIENTS)
        )
    took: dict[str, list[float]] = {"hot_fanout": [], "plain": []}
    for _ in range(12):
        for channel, seconds in took.items():
            begun = time.perf_counter()
            report = broadcast({"text": "hello"}, channel=channel)
            seconds.append(time.perf_counter() - begun)
            assert report.delivered == RECIPIENTS, report
    kept, plain = (statistics.median(seconds[2:]) for seconds in took.values())
    tell(f"broadcast to {RECIPIENTS:,}, with a history", f"{kept * 1e3:.0f} ms")
    tell("    without", f"{plain * 1e3:.0f} ms")
    tell("    ratio", f"{kept / plain:.3f}", "<= 1.1")
    return kept / plain <= 1.1


def _client() -> WebSocketClient:
    user = UserFactory.create()
    gateway = ApiGatewayFactory.create()
    client = WebSocketClient(StackView, gateway=gateway)
    WebSocketSessionFactory.create(
        connection_id=client.connection_id,
        api_gateway=gateway,
        user=user,
        session_auth_hash=hash_session_auth(user),
    )
    return client


def _frame(client: WebSocketClient, kind: str, **fields: Any) -> Callable[[], object]:
    def call() -> object:
        reply = client.control(kind, reply_id="1", **fields)
        assert reply.error is None, reply
        return reply

    return call


def _timed(what: str, call: Callable[[], object], target: str = "", *, cold: bool = False) -> float:
    """The median time of a call; `cold`: in a process that has not read the messages."""
    took = []
    for _ in range(ROUNDS):
        if cold:
            recent_bodies().__init__()  # type: ignore[misc]
        begun = time.perf_counter()
        call()
        took.append(time.perf_counter() - begun)
    with CaptureQueriesContext(connection) as captured:
        call()
    middle = statistics.median(took)
    tell(what, f"{middle * 1e3:.1f} ms, {len(captured)} statements", target)
    return middle


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
