"""Broadcasts per second, from the rows to the report, against loops over boto3, the older package, and wrk.

Run it with `python -m tests.benchmarks.fanout [--quick] [--ours]`; `--quick` sends a fifth of the messages.
Each sender is a process of its own on one core, nginx with TLS is on the other; all of them in turns, three
rounds, medians. `WEBSOCKET_GATEWAY_TEST_DATABASE` selects the database. The figures are ratios of one run:
whatever else the machine does slows all of them down.
"""

from __future__ import annotations

import argparse
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

from tests.benchmarks.peers.environments import peer_python
from tests.benchmarks.results import keep, say

PAYLOAD = {"text": "x" * 186}
ROUNDS = 3
LEGACY = "older package"
PAIRS: list[tuple[str, str, int, int]] = [
    # sender, location, connections, messages
    ("boto3 loop", "fast", 1, 1_500),
    ("boto3 in 10 threads", "fast", 10, 1_500),
    (LEGACY, "fast", 10, 1_500),
    ("boto3", "fast", 64, 3_000),
    ("asyncio", "fast", 64, 40_000),
    ("wrk", "fast", 64, 0),
    (LEGACY, "slow", 10, 1_500),
    ("boto3", "slow", 32, 3_000),
    ("asyncio", "slow", 256, 80_000),
    ("wrk", "slow", 256, 0),
    ("asyncio", "slow", 512, 200_000),
    ("wrk", "slow", 512, 0),
]


def main() -> int:
    """Measure and print."""
    from tests.benchmarks.nginx import running_nginx

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the messages, two rounds")
    parser.add_argument("--rounds", type=int, default=0, help="3, and 2 with --quick")
    parser.add_argument("--ours", action="store_true", help="without the older package")
    options = parser.parse_args()
    pairs = [pair for pair in PAIRS if not (options.ours and pair[0] == LEGACY)]

    results: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_nginx(folder, core=1) as url:
            for _ in range(options.rounds or (2 if options.quick else ROUNDS)):
                for sender, location, connections, all_messages in pairs:
                    messages = all_messages // 5 if options.quick else all_messages
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
    command = [sys.executable, "-m", "tests.benchmarks.fanout", "--send", job]
    if sender == LEGACY:
        command = [str(peer_python("legacy")), "-m", "tests.benchmarks.peers.legacy_fanout"]
        command += [url.rpartition(":")[2], location, str(messages)]
        environment.pop("WEBSOCKET_GATEWAY_TEST_NAME", None)
        environment["BENCHMARK_PAYLOAD"] = json.dumps(PAYLOAD)
    command = ["taskset", "-c", "0", *command]
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
    say(f"{'sender':<22}{'sink':<6}{'conn':>5}{'msg/s':>9}{'µs CPU':>9}{'MB':>6}  ratio")
    for (sender, location, connections), row in medians.items():
        wrk = medians.get(("wrk", location, connections))
        ratio = f"{row['rate'] / plain:.1f} x a boto3 loop" if location == "fast" else ""
        if location == "slow" and wrk and sender != "wrk":
            ratio = f"{row['rate'] / wrk['rate']:.2f} of wrk"
        say(
            f"{sender:<22}{location:<6}{connections:>5}{row['rate']:>9,.0f}{row['cpu']:>9.0f}"
            f"{row['peak']:>6.0f}  {ratio}"
        )
        cpu = f", {row['cpu']:,.0f} µs of CPU, {row['peak']:.0f} MB" if sender != "wrk" else ""
        after = {"fast": "at once", "slow": "after 20 ms"}[location]
        name = f"{sender}, {connections} connections, answers {after}"
        keep(name, f"{row['rate']:,.0f}/s{cpu}", ratio)


def child(sender: str, url: str, location: str, connections: int, messages: int) -> None:
    """Send, in a process of its own, and print what it took."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ.update(AWS_ACCESS_KEY_ID="benchmark", AWS_SECRET_ACCESS_KEY="benchmark")  # noqa: S106
    django.setup()
    from django.test.utils import override_settings, setup_databases, teardown_databases

    engine = "boto3" if sender.startswith("boto3") else sender
    settings = {"SEND_ENGINE": engine, "SEND_CONCURRENCY": connections, "SEND_MAX_PER_SECOND": 0}
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        with override_settings(WEBSOCKET_GATEWAY=settings, AWS_GATEWAY_REGION_NAME="eu-central-1"):
            _send(sender, url, location, connections, messages)
    finally:
        teardown_databases(databases, verbosity=0)


def _send(sender: str, url: str, location: str, connections: int, messages: int) -> None:
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
    if sender in ("boto3 loop", "boto3 in 10 threads"):
        _plain_loop(f"{url}/_api/{location}/x", messages, connections)
    else:
        report = broadcast(PAYLOAD, channel="lobby")
        assert report.delivered == messages, report
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": messages / seconds, "cpu": cpu / messages * 1e6, "peak": peak}))  # noqa: T201


def _plain_loop(endpoint: str, messages: int, threads: int) -> None:
    """What one writes without a package: a client, and one post after the other or in some threads."""
    from concurrent.futures import ThreadPoolExecutor

    import boto3
    from botocore.config import Config

    config = Config(max_pool_connections=threads)
    client = boto3.client(
        "apigatewaymanagementapi", endpoint_url=endpoint, region_name="eu-central-1", config=config
    )
    data = json.dumps(PAYLOAD).encode()

    def post(number: int) -> None:
        client.post_to_connection(ConnectionId=f"L0SM9cOF{number:07}=", Data=data)

    if threads == 1:
        for number in range(messages):
            post(number)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(post, range(messages)):
            pass


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        child(*json.loads(sys.argv[2]))
    else:
        sys.exit(main())
