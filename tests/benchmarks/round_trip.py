"""A message of a client and its answer over a socket: our view behind the local gateway, Channels on daphne.

Run it with `python -m tests.benchmarks.round_trip [--seconds S] [--rounds N] [--sockets N] [--ours]`; needs
Redis on loopback. gunicorn (one worker, four threads) and daphne have one core each in turn, the clients are
on the other. The answer of Channels is measured twice: from what the consumer knows since the connect, and
with the user read again before each answer, which our view always does. The local gateway is a development
tool in Python and stands where AWS has API Gateway, so its time is not in the ratio: the ratio is that of the
processor time of gunicorn and of daphne.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from subprocess import Popen
from typing import Any, NamedTuple

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.project")
django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from tests.benchmarks.chat_server import chat_server  # noqa: E402
from tests.benchmarks.gateways import AWS, ORIGIN, gateway_to  # noqa: E402
from tests.benchmarks.processes import cpu_seconds  # noqa: E402
from tests.benchmarks.results import record, say  # noqa: E402
from tests.benchmarks.serving import BODY, our_server, prepare_database  # noqa: E402
from tests.benchmarks.sockets import exchange, open_sockets  # noqa: E402
from tests.factories import UserFactory  # noqa: E402
from tests.support.served import free_port  # noqa: E402
from websocket_gateway.logins import hash_session_auth  # noqa: E402
from websocket_gateway.models import WebSocketSession  # noqa: E402

OURS = "our view, behind the local gateway"


class Turn(NamedTuple):
    """One turn: rate and CPU with many sockets, latencies with one."""

    rate: float
    cpu: float
    p50: float
    p95: float


class Side(NamedTuple):
    """Where sockets go, and the process whose time counts."""

    url: str
    headers: dict[str, str]
    process: Popen[bytes]
    opened: Callable[[], Any] = lambda: None


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sockets", type=int, default=16)
    parser.add_argument("--ours", action="store_true", help="without Channels")
    options = parser.parse_args()
    os.environ |= AWS
    databases = setup_databases(verbosity=0, interactive=False)
    prepare_database()
    try:
        with ExitStack() as stack:
            sides = {OURS: our_side(stack)}
            if not options.ours:
                sides |= their_sides(stack)
            found: dict[str, list[Turn]] = {name: [] for name in sides}
            for _ in range(options.rounds):
                for name, side in sides.items():
                    found[name].append(asyncio.run(measure(side, options.sockets, options.seconds)))
        tell(found, options.sockets)
    finally:
        teardown_databases(databases, verbosity=0)
    return 0


def our_side(stack: ExitStack) -> Side:
    """gunicorn and a local gateway."""
    port = free_port()
    gunicorn = stack.enter_context(our_server(port))
    _, url, _ = stack.enter_context(gateway_to(port))
    user = UserFactory.create()

    def log_in() -> None:
        WebSocketSession.objects.update(
            user=user,
            session_auth_hash=hash_session_auth(user),
            auth_backend="django.contrib.auth.backends.ModelBackend",
        )

    return Side(url, {"Origin": ORIGIN}, gunicorn, log_in)


def their_sides(stack: ExitStack) -> dict[str, Side]:
    """The two consumers."""
    chat = stack.enter_context(chat_server())
    headers = {"Origin": ORIGIN, "Cookie": chat.cookie}
    return {
        "Channels on daphne, no query": Side(f"{chat.url}/chat/", headers, chat.process),
        "Channels on daphne, user read again": Side(f"{chat.url}/checked/", headers, chat.process),
    }


async def measure(side: Side, number: int, seconds: float) -> Turn:
    """One turn: first one socket, then all."""
    sockets = await open_sockets(side.url, number, **side.headers)
    await asyncio.to_thread(side.opened)
    text = BODY.encode()
    try:
        _, alone = await exchange(sockets[:1], text, seconds)
        before = cpu_seconds(side.process)
        rate, latencies = await exchange(sockets, text, seconds)
        cpu = (cpu_seconds(side.process) - before) / len(latencies)
    finally:
        for socket in sockets:
            socket.close()
    return Turn(rate, cpu, statistics.median(alone), alone[int(len(alone) * 0.95)])


def tell(found: dict[str, list[Turn]], number: int) -> None:
    """Print the medians, and ratios to ours."""
    say(f"{connection.vendor}, {number} sockets, latencies with one socket; {json.loads(BODY)}")
    medians = {name: Turn(*map(statistics.median, zip(*turns, strict=True))) for name, turns in found.items()}
    ours = medians[OURS].cpu
    for name, one in medians.items():
        figure = (
            f"{one.cpu * 1e6:,.0f} µs of CPU, {one.rate:,.0f}/s with {number} sockets; "
            f"one socket: p50 {one.p50 * 1e3:.1f} ms, p95 {one.p95 * 1e3:.1f} ms"
        )
        record(name, figure, "" if name == OURS else f"ours takes {ours / one.cpu:.2f} times its CPU")


if __name__ == "__main__":
    sys.exit(main())
