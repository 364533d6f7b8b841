"""Messages as HTTP requests to gunicorn: our view, a bare view, and the view of the older package.

Run it with `python -m tests.benchmarks.serving [--seconds S] [--rounds N] [--ours]`;
`WEBSOCKET_GATEWAY_TEST_DATABASE` selects the database. Each project has one gunicorn worker with four threads
on one core, with DEBUG off and persistent database connections; wrk is on the other core, with 16 connections
that name 64 open sessions in turns. All take turns in one run; the figures are medians. The ratio is that of
the processor time of the servers, which other load on the machine does not change.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.benchmarks.project")
django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from tests.benchmarks.peers.environments import peer_python  # noqa: E402
from tests.benchmarks.processes import cpu_seconds, gunicorn_command, server, told  # noqa: E402
from tests.benchmarks.results import record, say  # noqa: E402
from tests.benchmarks.wrk import post  # noqa: E402
from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory  # noqa: E402
from tests.support.served import free_port  # noqa: E402
from websocket_gateway.logins import hash_session_auth  # noqa: E402
from websocket_gateway.testing import events  # noqa: E402

SESSIONS = 64
BODY = json.dumps({"handler": "say", "text": "hello, everybody", "room": 7, "tags": ["a", "b"]})


class Served(NamedTuple):
    """One turn: seconds, but for the rate."""

    rate: float
    p50: float
    p95: float
    cpu: float
    """Of the server, for each request."""


Measure = Callable[[], Served]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", action="store_true", help="without the other package")
    options = parser.parse_args()
    databases = setup_databases(verbosity=0, interactive=False)
    prepare_database()
    try:
        with ExitStack() as stack:
            measures = our_views(stack, options.seconds)
            if not options.ours:
                measures["the older package's view"] = legacy_view(stack, options.seconds)
            found: dict[str, list[Served]] = {name: [] for name in measures}
            for _ in range(options.rounds):
                for name, measure in measures.items():
                    found[name].append(measure())
        tell(found)
    finally:
        teardown_databases(databases, verbosity=0)
    return 0


def prepare_database() -> None:
    """SQLite with a write-ahead log, as a deployment has it."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode=WAL")


def our_views(stack: ExitStack, seconds: float) -> dict[str, Measure]:
    """Start our project; how to measure its two views."""
    gateway, user = ApiGatewayFactory.create(), UserFactory.create()
    sessions = [
        WebSocketSessionFactory.create(
            api_gateway=gateway,
            user=user,
            session_auth_hash=hash_session_auth(user),
            auth_backend="django.contrib.auth.backends.ModelBackend",
        )
        for _ in range(SESSIONS)
    ]
    headers = [
        events.event_headers(gateway, session.connection_id, "MESSAGE", "$default")
        | {"Content-Type": "application/json"}
        for session in sessions
    ]
    port = free_port()
    process = stack.enter_context(our_server(port))
    return {
        "our view": lambda: load(process, port, "/ws/default", headers, seconds),
        "a bare view": lambda: load(process, port, "/bare", headers, seconds),
    }


def load(process: Any, port: int, path: str, headers: list[dict[str, str]], seconds: float) -> Served:
    """One turn of wrk."""
    before = cpu_seconds(process)
    found = post(port, path, headers, BODY, seconds=seconds)
    return Served(found.rate, found.p50, found.p95, (cpu_seconds(process) - before) / found.requests)


def our_server(port: int) -> Any:
    """gunicorn with our project, on the database of this process."""
    settings = "tests.benchmarks.project"
    return server(
        gunicorn_command(sys.executable, settings, port),
        port=port,
        core=0,
        DJANGO_SETTINGS_MODULE=settings,
        WEBSOCKET_GATEWAY_TEST_NAME=str(connection.settings_dict["NAME"]),
    )


def legacy_view(stack: ExitStack, seconds: float) -> Measure:
    """Start the project of the older package; how to measure its view."""
    python, settings = peer_python("legacy"), "tests.benchmarks.peers.legacy"
    own_name = f"{connection.settings_dict['NAME']}_legacy"
    line = stack.enter_context(
        told([str(python), "-m", settings, str(SESSIONS)], WEBSOCKET_GATEWAY_TEST_NAME=own_name)
    )
    answer = json.loads(line)
    port = free_port()
    process = stack.enter_context(
        server(
            gunicorn_command(python, settings, port),
            port=port,
            core=0,
            DJANGO_SETTINGS_MODULE=settings,
            WEBSOCKET_GATEWAY_TEST_NAME=answer["name"],
        )
    )
    return lambda: load(process, port, "/ws/default", answer["headers"], seconds)


def tell(found: dict[str, list[Served]]) -> None:
    """Print the medians, and ratios to our view."""
    say(f"{connection.vendor}, one gunicorn worker with four threads on one core")
    medians = {
        name: Served(*map(statistics.median, zip(*turns, strict=True))) for name, turns in found.items()
    }
    ours = medians["our view"].cpu
    for name, one in medians.items():
        figure = (
            f"{one.cpu * 1e6:,.0f} µs of CPU, {one.rate:,.0f}/s, "
            f"p50 {one.p50 * 1e3:.1f} ms, p95 {one.p95 * 1e3:.1f} ms"
        )
        record(name, figure, "" if name == "our view" else f"ours takes {ours / one.cpu:.2f} times its CPU")


if __name__ == "__main__":
    sys.exit(main())
