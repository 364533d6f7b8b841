"""A purge of 1,000,000 sessions, half of them dead, while others connect.

Run it with `WEBSOCKET_GATEWAY_TEST_DATABASE=postgresql python -m tests.benchmarks.purging [ROWS]`. A
quarter of the rows are open and too old, a quarter ended long ago, and half are alive and belong to
users. The purge runs in a process of its own, whose peak memory and longest statement are printed, next
to the longest time that a connect took meanwhile.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from django.utils import timezone  # noqa: E402

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory  # noqa: E402
from websocket_gateway.connections.sessions import register  # noqa: E402
from websocket_gateway.logins import hash_session_auth  # noqa: E402
from websocket_gateway.models import ApiGateway, WebSocketSession  # noqa: E402
from websocket_gateway.purging import purge  # noqa: E402

ROWS = 1_000_000
LIMIT_MEGABYTES, LIMIT_STATEMENT_SECONDS, LIMIT_CONNECT_SECONDS = 150, 1.0, 0.1
PAUSE_SECONDS = 0.005


def main() -> int:
    """Fill, purge, print, and answer 1 where a limit is broken."""
    if sys.argv[1:] == ["--purge"]:
        return purge_and_tell()
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        gateway = fill(rows)
        told, longest, connects = measure(gateway)
        left = (
            WebSocketSession.objects.filter(connected=True).count() - connects,
            WebSocketSession.objects.filter(connected=False).count(),
        )
    finally:
        teardown_databases(databases, verbosity=0)
    say(f"{connection.vendor}, {rows:,} sessions: {told['counts']} in {told['seconds']:.1f} s, left {left}")
    say(f"peak memory {told['megabytes']:.0f} MB, longest statement {told['longest'] * 1e3:.0f} ms")
    return int(
        left != (rows // 2, rows // 4)
        or told["megabytes"] > LIMIT_MEGABYTES
        or told["longest"] > LIMIT_STATEMENT_SECONDS
        or longest > LIMIT_CONNECT_SECONDS
    )


def fill(rows: int) -> ApiGateway:
    """Insert the sessions."""
    gateway: ApiGateway = ApiGatewayFactory.create()
    users = [(user.pk, hash_session_auth(user)) for user in UserFactory.create_batch(100)]
    now = timezone.now()
    old, young, ended = now - timedelta(days=9), now - timedelta(minutes=30), now - timedelta(days=8)
    for start in range(0, rows, 5_000):
        page = []
        for number in range(start, start + 5_000):
            dead, closed, (user, auth) = number % 2, number % 4 == 1, users[number % 100]
            within = timedelta(milliseconds=number % 5_000_000)
            page.append(
                WebSocketSession(
                    connection_id=f"filled{number}",
                    channel_name=f"channel{number % 1_000}",
                    api_gateway=gateway,
                    user_id=user,
                    session_auth_hash=auth,
                    connected=not closed,
                    created_on=old - within if dead else young - within,
                    disconnected_on=ended - within if closed else None,
                )
            )
        WebSocketSession.objects.bulk_create(page)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return gateway


def measure(gateway: ApiGateway) -> tuple[dict[str, Any], float, int]:
    """Purge in a child, and connect until it has ended: what it tells, the longest connect, how many."""
    environment = {**os.environ, "WEBSOCKET_GATEWAY_TEST_NAME": str(connection.settings_dict["NAME"])}
    command = [sys.executable, "-m", "tests.benchmarks.purging", "--purge"]
    quiet = connect_while(gateway, range(500).__contains__, "quiet")
    say(f"before, with nobody at work here: {figures_of(quiet)}")
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    busy = connect_while(gateway, lambda number: child.poll() is None, "busy")
    say(f"meanwhile: {figures_of(busy)}")
    told: dict[str, Any] = json.loads(child.communicate()[0])
    return told, max(busy), len(quiet) + len(busy)


def connect_while(gateway: ApiGateway, go_on: Callable[[int], bool], name: str) -> list[float]:
    """Connect again and again; the seconds that each took."""
    took: list[float] = []
    while go_on(len(took)):
        row = WebSocketSessionFactory.build(
            connection_id=f"{name}{len(took)}", api_gateway=gateway, fresh=True
        )
        begun = time.perf_counter()
        register(row)
        took.append(time.perf_counter() - begun)
        time.sleep(PAUSE_SECONDS)
    return took


def figures_of(took: list[float]) -> str:
    """The connects in words."""
    inner = sorted(took)[int(len(took) * 0.99)]
    return (
        f"{len(took):,} connects, 99 of 100 within {inner * 1e3:.0f} ms, the longest {max(took) * 1e3:.0f} ms"
    )


def purge_and_tell() -> int:
    """The child: purge, with every statement timed."""
    longest = 0.0

    def clock(execute: Any, *args: Any) -> Any:
        nonlocal longest
        begun = time.perf_counter()
        try:
            return execute(*args)
        finally:
            longest = max(longest, time.perf_counter() - begun)

    with connection.execute_wrapper(clock):
        report = purge()
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = {"counts": dict(report.counts), "seconds": report.seconds, "longest": longest}
    sys.stdout.write(json.dumps({**figures, "megabytes": kilobytes / 1024}))
    return 0


def say(words: str) -> None:
    """Print one line."""
    sys.stdout.write(f"{words}\n")


if __name__ == "__main__":
    raise SystemExit(main())
