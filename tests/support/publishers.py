"""Processes that publish to channels with a history at the same time, for tests and benchmarks.

    python -m tests.support.publishers KIND NUMBER PROCESSES [ISOLATION]

starts PROCESSES that publish NUMBER messages each, and prints for each of them, as JSON, the seconds that it
took, those of its publishes (median, 95 %) and of its transactions (median), and what failed. ISOLATION is a
level such as "repeatable read".
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection, transaction

CHANNELS = {"hot_*": {"HISTORY_MESSAGES": 1_000_000}, "brief_*": {"HISTORY_MESSAGES": 20}}

Publish = Callable[[str], object]


_held: list[float] = []
"""How long transactions were open, until their COMMIT returned."""


def one(publish: Publish) -> None:
    publish("hot_1")


def eight(publish: Publish) -> None:
    publish(f"hot_{random.randrange(1, 9)}")


def saved_only(publish: Publish) -> None:
    """What publishing cannot do without, for comparison: the INSERT of the message."""
    from websocket_gateway.channels.publishing import save_message

    save_message(b'{"pid":1234567,"n":100}', "hot_saved")


def slow_transaction(publish: Publish) -> None:
    begun = time.monotonic()
    with transaction.atomic():
        transaction.on_commit(lambda: _held.append(time.monotonic() - begun))
        publish("hot_1")
        time.sleep(random.uniform(0, 0.01))


def slow_saved_only(publish: Publish) -> None:
    """The same without numbering, for comparison."""
    slow_transaction(lambda channel: saved_only(publish))


def two_in_any_order(publish: Publish) -> None:
    with transaction.atomic():
        for channel in random.sample(["hot_1", "hot_2"], 2):
            publish(channel)
        time.sleep(random.uniform(0, 0.005))


def brief(publish: Publish) -> None:
    """Meanwhile the history is purged, and sometimes forgotten."""
    from websocket_gateway.channels import history
    from websocket_gateway.purging import Part, purge

    publish("brief_1")
    chance = random.random()
    if chance < 0.1:
        purge(only=[Part.HISTORY])
    elif chance < 0.13:
        history.forget("brief_1")


KINDS = {
    kind.__name__: kind
    for kind in (one, eight, saved_only, slow_transaction, slow_saved_only, two_in_any_order, brief)
}


def start(kind: str, number: int, processes: int, *options: str) -> subprocess.Popen[str]:
    """Start publishers on the database of this process."""
    name = str(connection.settings_dict["NAME"])
    return subprocess.Popen(
        [sys.executable, "-m", __name__, kind, str(number), str(processes), *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WEBSOCKET_GATEWAY_TEST_NAME": name},
    )


def results(publishers: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What they printed. Raises an `AssertionError` if one ended otherwise."""
    printed = publishers.communicate(timeout=180)[0]
    assert publishers.returncode == 0, printed
    told: list[dict[str, Any]] = json.loads(printed)
    return told


def publish_many(kind: str, number: int) -> dict[str, Any]:
    """Publish in this process, and tell how that went."""
    from websocket_gateway.sending import broadcast

    failed: Counter[str] = Counter()
    took: list[float] = []

    def publish(channel: str) -> None:
        broadcast({"pid": os.getpid(), "n": len(took)}, channel=channel)

    while len(took) < number:
        begun = time.monotonic()
        try:
            KINDS[kind](publish)
        except DatabaseError as exc:
            failed[type(exc).__name__ + ": " + str(exc)[:80]] += 1
        took.append(time.monotonic() - begun)
    return {
        "seconds": sum(took),
        "median": statistics.median(took),
        "p95": sorted(took)[int(len(took) * 0.95)],
        "held": statistics.median(_held or [0.0]),
        "failed": failed,
    }


def use_isolation(level: str) -> None:
    """Have the connections of this process begin transactions at this level."""
    options = connection.settings_dict["OPTIONS"]
    if connection.vendor == "postgresql":
        from django.db.backends.postgresql.psycopg_any import IsolationLevel

        options["isolation_level"] = IsolationLevel[level.replace(" ", "_").upper()]
    else:
        options["isolation_level"] = level
        # The default of MariaDB from 11.6 on: a write to a row that has changed since it was read fails.
        options["init_command"] = "SET SESSION innodb_snapshot_isolation = ON"


def main(kind: str, number: int, processes: int, isolation: str = "") -> None:
    import django
    from django.test import override_settings

    django.setup()
    import websocket_gateway.sending  # noqa: F401 - once, before the processes fork

    if isolation:
        use_isolation(isolation)
    # No connection is open and no thread runs so far, so forking is safe.
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(processes)
    answers = context.SimpleQueue()

    def work() -> None:
        connection.ensure_connection()
        ready.wait()
        answers.put(publish_many(kind, number))

    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS}):
        workers = [context.Process(target=work) for _ in range(processes)]
        for worker in workers:
            worker.start()
        told = [answers.get() for _ in workers]
        for worker in workers:
            worker.join()
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
