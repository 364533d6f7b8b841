"""10,000 clients that come back at once, at the HTTP door of gunicorn with two workers."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local

from django.db import connection

from tests.factories import ApiGatewayFactory
from tests.support.served import Door, free_port, gunicorn
from websocket_gateway.channels import history
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.testing import events

CLIENTS = int(os.environ.get("BENCHMARK_CLIENTS", "10000"))
SENDERS = 24
MISSED = 20
CHANNEL = "hot_returning"


def measure_storm() -> bool:
    """Each client connects and asks in one frame for what it has missed; prints requests a second."""
    gateway = ApiGatewayFactory.create()
    broadcast({"text": "first"}, channel=CHANNEL)
    position = history.position(CHANNEL)
    for _ in range(MISSED):
        broadcast({"text": "x" * 180}, channel=CHANNEL)
    port = free_port()
    name = str(connection.settings_dict["NAME"])
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "gunicorn.log"
        with gunicorn(port, log, WEBSOCKET_GATEWAY_TEST_NAME=name):
            begun = time.perf_counter()
            with ThreadPoolExecutor(SENDERS) as pool:
                here = local()

                def come_back(number: int) -> tuple[str, float]:
                    here.door = door = getattr(here, "door", None) or Door(port)
                    return return_once(door, gateway, dict(position), number)

                outcomes = list(pool.map(come_back, range(CLIENTS)))
            seconds = time.perf_counter() - begun
    counts = Counter(outcome for outcome, _ in outcomes)
    waits = sorted(wait for _, wait in outcomes)
    middle, late = waits[len(waits) // 2], waits[int(len(waits) * 0.95)]
    print(  # noqa: T201
        f"  {CLIENTS:,} clients at 2 workers: {seconds:.0f} s, {2 * CLIENTS / seconds:,.0f} requests/s, "
        f"p50 {middle * 1e3:.0f} ms, p95 {late * 1e3:.0f} ms; {dict(counts)}"
    )
    WebSocketSession.objects.filter(channel_name=CHANNEL).delete()
    return set(counts) == {"complete"}


def return_once(
    door: Door, gateway: ApiGateway, position: dict[str, object], number: int
) -> tuple[str, float]:
    """Connect, subscribe and recover; what came of it and the seconds of both requests."""
    connection_id = f"back{os.getpid()}n{number:06}="
    begun = time.perf_counter()
    status, _ = door.post("/public/connect", b"", events.connect_headers(gateway, connection_id))
    if status != 200:
        return f"connect: {status}", time.perf_counter() - begun
    frame = {"_ws": {"type": "subscribe", "id": "1", "channels": {CHANNEL: position}}}
    headers = events.event_headers(gateway, connection_id, "MESSAGE", "$default")
    status, answer = door.frame("/public/default", frame, headers)
    waited = time.perf_counter() - begun
    if status != 200 or answer is None:
        return f"subscribe: {status}", waited
    given = answer["_ws"].get("channels", {}).get(CHANNEL, {}).get("messages", [])
    return "complete" if len(given) == MISSED else f"incomplete: {answer}", waited
