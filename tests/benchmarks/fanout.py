"""Broadcasts per second, from the rows to the report, against a plain loop over boto3, and against wrk.

Run it with `python -m tests.benchmarks.fanout`. Each sender is a process of its own on one core, nginx with
TLS is on the other; all of them in turns, three rounds, medians. `WEBSOCKET_GATEWAY_TEST_DATABASE` selects
the database. The figures are ratios of one run: whatever else the machine does slows all of them down.
"""

from __future__ import annotations

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PAYLOAD = {"text": "x" * 186}
ROUNDS = 3
PAIRS: list[tuple[str, str, int, int]] = [
    # sender, location, connections, messages
    ("boto3 loop", "fast", 1, 1_500),
    ("boto3", "fast", 64, 3_000),
    ("asyncio", "fast", 64, 40_000),
    ("wrk", "fast", 64, 0),
    ("boto3", "slow", 32, 3_000),
    ("asyncio", "slow", 256, 80_000),
    ("wrk", "slow", 256, 0),
    ("asyncio", "slow", 512, 200_000),
    ("wrk", "slow", 512, 0),
]


def main() -> int:
    """Measure and print."""
    from tests.benchmarks.nginx import running_nginx

    results: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_nginx(folder, core=1) as url:
            for _ in range(ROUNDS):
                for sender, location, connections, messages in PAIRS:
                    measured = _measure(sender, url, location, connections, messages, folder)
                    results.setdefault((sender, location, connections), []).append(measured)
    _print(results)
    return 0


def _measure(
    sender: str, url: str, location: str, connections: int, messages: int, folder: Path
) -> dict[str, float]:
    if sender == "wrk":
        return _wrk(url, location, connections, folder)
    job = json.dumps([sender, url, location, connections, messages])
    environment = os.environ | {"AWS_CA_BUNDLE": str(folder / "cert.pem"), "NO_PROXY": "*"}
    command = ["taskset", "-c", "0", sys.executable, "-m", "tests.benchmarks.fanout", job]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def _wrk(url: str, location: str, connections: int, folder: Path) -> dict[str, float]:
    script = folder / "post.lua"
    script.write_text(f"wrk.method = 'POST'\nwrk.body = '{json.dumps(PAYLOAD, separators=(',', ':'))}'\n")
    command = (
        f"taskset -c 0 wrk -t 1 -c {connections} -d 4 -s {script} {url}/_api/{location}/x/@connections/abc%3D"
    )
    text = subprocess.run(command.split(), capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", text)
    assert found, text
    return {"rate": float(found[1]), "cpu": 0.0, "peak": 0.0}


def _print(results: dict[tuple[str, str, int], list[dict[str, float]]]) -> None:
    medians = {
        key: {name: statistics.median(run[name] for run in runs) for name in ("rate", "cpu", "peak")}
        for key, runs in results.items()
    }
    plain = medians["boto3 loop", "fast", 1]["rate"]
    print(f"{'sender':<12}{'sink':<6}{'conn':>5}{'msg/s':>9}{'µs CPU':>9}{'MB':>6}  ratio")  # noqa: T201
    for (sender, location, connections), row in medians.items():
        wrk = medians.get(("wrk", location, connections))
        ratio = f"{row['rate'] / plain:.1f} x a boto3 loop" if location == "fast" else ""
        if location == "slow" and wrk and sender != "wrk":
            ratio = f"{row['rate'] / wrk['rate']:.2f} of wrk"
        figures = f"{row['rate']:>9,.0f}{row['cpu']:>9.0f}{row['peak']:>6.0f}"
        print(f"{sender:<12}{location:<6}{connections:>5}{figures}  {ratio}")  # noqa: T201


def child(sender: str, url: str, location: str, connections: int, messages: int) -> None:
    """Send, in a process of its own, and print what it took."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.update(AWS_ACCESS_KEY_ID="benchmark", AWS_SECRET_ACCESS_KEY="benchmark")  # noqa: S106
    django.setup()
    from django.test.utils import override_settings, setup_databases, teardown_databases

    engine = {"boto3 loop": "boto3"}.get(sender, sender)
    settings = {"SEND_ENGINE": engine, "SEND_CONCURRENCY": connections, "SEND_MAX_PER_SECOND": 0}
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with override_settings(WEBSOCKET_GATEWAY=settings, AWS_GATEWAY_REGION_NAME="eu-central-1"):
            _send(sender, url, location, messages)
    finally:
        teardown_databases(databases, verbosity=0)


def _send(sender: str, url: str, location: str, messages: int) -> None:
    import boto3  # noqa: F401 - a process imports it once, at its first AWS call

    from tests.factories import ApiGatewayFactory
    from websocket_gateway.aws.engines import asyncio_loop, boto3_threads  # noqa: F401 - likewise
    from websocket_gateway.models import WebSocketSession
    from websocket_gateway.sending import broadcast

    gateway: Any = ApiGatewayFactory.create(
        api_endpoint=f"{url.replace('https', 'wss')}/_api/{location}", stage_name="x"
    )
    # In pieces, so that the peak is the broadcast's and not that of making its audience.
    for start in range(0, messages, 1_000):
        WebSocketSession.objects.bulk_create(
            WebSocketSession(connection_id=f"L0SM9cOF{number:07}=", api_gateway=gateway, channel_name="lobby")
            for number in range(start, min(start + 1_000, messages))
        )
    started, cpu = time.perf_counter(), time.process_time()
    if sender == "boto3 loop":
        _plain_loop(f"{url}/_api/{location}/x", messages)
    else:
        report = broadcast(PAYLOAD, channel="lobby")
        assert report.delivered == messages, report
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": messages / seconds, "cpu": cpu / messages * 1e6, "peak": peak}))  # noqa: T201


def _plain_loop(endpoint: str, messages: int) -> None:
    """What one writes without a package: a default client, one post after the other."""
    import boto3

    client = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint, region_name="eu-central-1")
    data = json.dumps(PAYLOAD).encode()
    for number in range(messages):
        client.post_to_connection(ConnectionId=f"L0SM9cOF{number:07}=", Data=data)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(*json.loads(sys.argv[1]))
    else:
        sys.exit(main())
