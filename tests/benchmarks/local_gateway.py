"""Figures of the local gateway: `python -m tests.benchmarks.local_gateway`. Asserts nothing.

Gateway and backend run as processes of their own; this process is the clients.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from websockets.asyncio.client import ClientConnection, connect

from websocket_gateway.local.command_line import raise_file_limit
from websocket_gateway.local.forwarding import Forwarder
from websocket_gateway.local.mapping import BackendRequest

IDLE_CONNECTIONS = 2000
SOCKETS = 50
SECONDS = 5.0
SLOW_HANDLERS = 64


@contextmanager
def process(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A Python process and the first line it prints."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    with subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as child:
        try:
            assert child.stdout is not None
            yield child, child.stdout.readline()
        finally:
            child.terminate()
            child.wait()


def deploy(endpoint_url: str, backend_port: int) -> str:
    """An API with a fast and a slow two-way route; returns the socket URL."""
    client = boto3.client(
        "apigatewayv2",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
    api = client.create_api(
        Name="benchmark", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    for key, path in (
        ("$connect", "connect"),
        ("$default", "default"),
        ("$disconnect", "gone"),
        ("slow", "slow"),
        ("nowhere", ""),
    ):
        integration = client.create_integration(
            ApiId=api["ApiId"],
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="POST",
            IntegrationUri=f"http://127.0.0.1:{backend_port}/{path}",
            RequestParameters={
                "integration.request.header.wsConnectionId": "context.connectionId",
                "integration.request.header.wsRouteKey": "context.routeKey",
                "integration.request.header.wsEventType": "context.eventType",
                "integration.request.header.Sec-WebSocket-Version": "'0'",
            },
        )
        target = f"integrations/{integration['IntegrationId']}"
        if key == "nowhere":
            # A route without an integration: its error frame tells the client its connection id.
            client.create_route(ApiId=api["ApiId"], RouteKey=key)
            continue
        route = client.create_route(ApiId=api["ApiId"], RouteKey=key, Target=target)
        if not key.endswith("connect"):
            client.create_route_response(
                ApiId=api["ApiId"], RouteId=route["RouteId"], RouteResponseKey="$default"
            )
    client.create_stage(ApiId=api["ApiId"], StageName="benchmark")
    client.create_deployment(ApiId=api["ApiId"], StageName="benchmark")
    return f"{api['ApiEndpoint']}/benchmark"


def resident_kilobytes(pid: int) -> int:
    """Resident memory of a process (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("no VmRSS")


async def open_sockets(url: str, count: int) -> list[ClientConnection]:
    """Open sockets, a hundred at a time."""
    sockets: list[ClientConnection] = []
    while len(sockets) < count:
        batch = min(100, count - len(sockets))
        sockets += await asyncio.gather(
            *(connect(url, compression=None, proxy=None, ping_interval=None) for _ in range(batch))
        )
    return sockets


async def close_all(sockets: list[ClientConnection]) -> None:
    """Close sockets."""
    await asyncio.gather(*(socket.close() for socket in sockets))


async def measure_memory(url: str, pid: int) -> None:
    """Resident memory per idle connection."""
    await close_all(await open_sockets(url, 100))
    before = resident_kilobytes(pid)
    started = time.perf_counter()
    sockets = await open_sockets(url, IDLE_CONNECTIONS)
    seconds = time.perf_counter() - started
    await asyncio.sleep(2)
    used = resident_kilobytes(pid) - before
    say(
        f"{IDLE_CONNECTIONS} idle connections: {used / IDLE_CONNECTIONS:.1f} KB resident each "
        f"({before / 1024:.0f} MB before), opened at {IDLE_CONNECTIONS / seconds:.0f}/s"
    )
    await close_all(sockets)


async def exchange(socket: ClientConnection, until: float, latencies: list[float]) -> None:
    """Send a message, wait for its reply, again and again."""
    number = 0
    while time.perf_counter() < until:
        number += 1
        started = time.perf_counter()
        await socket.send(f'{{"action": "fast", "number": {number}}}')
        reply: dict[str, Any] = json.loads(await socket.recv())
        assert reply["number"] == number
        latencies.append(time.perf_counter() - started)


async def measure_throughput(url: str, label: str) -> None:
    """Messages through WebSocket, HTTP and route response."""
    sockets = await open_sockets(url, SOCKETS)
    latencies: list[float] = []
    started = time.perf_counter()
    await asyncio.gather(*(exchange(socket, started + SECONDS, latencies) for socket in sockets))
    seconds = time.perf_counter() - started
    slowest = statistics.quantiles(latencies, n=100)[98]
    say(
        f"{label}: {len(latencies) / seconds:.0f} messages/s over {SOCKETS} sockets, "
        f"median {statistics.median(latencies) * 1000:.1f} ms, 99th percentile {slowest * 1000:.1f} ms"
    )
    await close_all(sockets)


async def measure_beside_slow_handlers(url: str) -> None:
    """The same while the backend holds many requests."""
    slow = await open_sockets(url, SLOW_HANDLERS)
    for socket in slow:
        await socket.send('{"action": "slow"}')
    await measure_throughput(url, f"beside {SLOW_HANDLERS} slow handlers")
    started = time.perf_counter()
    one = await open_sockets(url, 1)
    say(f"a new connection meanwhile: {(time.perf_counter() - started) * 1000:.1f} ms")
    await asyncio.gather(*(socket.recv() for socket in slow))
    await close_all(slow + one)


async def measure_posts(url: str) -> None:
    """Posts to `@connections`, spread over the sockets."""
    parts = urlsplit(url.replace("ws", "http", 1))
    names: list[str] = []
    sockets = await open_sockets(url, SOCKETS)
    for socket in sockets:
        await socket.send("{}")
        await socket.recv()
        await socket.send('{"action": "nowhere"}')
        names.append(json.loads(await socket.recv())["connectionId"])
    forwarder = Forwarder()

    async def post(number: int, until: float) -> int:
        request = BackendRequest(
            method="POST",
            scheme="http",
            host=parts.hostname or "",
            port=parts.port or 80,
            target=f"{parts.path}/@connections/{names[number]}",
            headers=(
                ("Host", parts.netloc),
                ("Authorization", "AWS4-HMAC-SHA256 x"),
                ("Content-Length", "5"),
            ),
            body=b"hello",
            timeout=10,
        )
        sent = 0
        while time.perf_counter() < until:
            assert (await forwarder.forward(request)).status == 200
            await sockets[number].recv()
            sent += 1
        return sent

    started = time.perf_counter()
    counts = await asyncio.gather(*(post(number, started + SECONDS) for number in range(SOCKETS)))
    say(f"posts: {sum(counts) / (time.perf_counter() - started):.0f}/s to {SOCKETS} sockets, each received")
    forwarder.close()
    await close_all(sockets)


def say(line: str) -> None:
    """Report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def measure(url: str, pid: int) -> None:
    """All figures."""
    await measure_memory(url, pid)
    await measure_throughput(url, "alone")
    await measure_beside_slow_handlers(url)
    await measure_posts(url)


def main() -> None:
    """Start everything, measure, stop."""
    raise_file_limit()
    state = Path(tempfile.mkdtemp()) / "state.json"
    with (
        process("-m", "tests.benchmarks.backend") as (_, backend_port),
        process("-m", "django", "run_local_gateway", "--port=0", f"--state={state}", "-v0") as (
            gateway,
            line,
        ),
    ):
        endpoint_url = line.split()[3]
        asyncio.run(measure(deploy(endpoint_url, int(backend_port)), gateway.pid))


if __name__ == "__main__":
    main()
