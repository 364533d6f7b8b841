"""Processes that publish to channels with a history at the same time, for tests and benchmarks.

    python -m tests.support.publishers KIND NUMBER

publishes NUMBER messages and prints the seconds it took and what failed, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection, transaction

CHANNELS = {"hot_*": {"HISTORY_MESSAGES": 1_000_000}}


def one(publish: Callable[[str], object]) -> None:
    publish("hot_1")


def eight(publish: Callable[[str], object]) -> None:
    publish(f"hot_{random.randrange(1, 9)}")


def slow_transaction(publish: Callable[[str], object]) -> None:
    with transaction.atomic():
        publish("hot_1")
        time.sleep(random.uniform(0, 0.01))


def two_in_any_order(publish: Callable[[str], object]) -> None:
    with transaction.atomic():
        for channel in random.sample(["hot_1", "hot_2"], 2):
            publish(channel)
        time.sleep(random.uniform(0, 0.005))


KINDS = {kind.__name__: kind for kind in (one, eight, slow_transaction, two_in_any_order)}


def start(kind: str, number: int, processes: int, **environment: str) -> list[subprocess.Popen[str]]:
    """Start publishers on the database of this process."""
    name = str(connection.settings_dict["NAME"])
    return [
        subprocess.Popen(
            [sys.executable, "-m", __name__, kind, str(number)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "WEBSOCKET_GATEWAY_TEST_NAME": name, **environment},
        )
        for _ in range(processes)
    ]


def results(publishers: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """What they printed. Raises an `AssertionError` if one ended otherwise."""
    printed = [publisher.communicate(timeout=180)[0] for publisher in publishers]
    assert all(publisher.returncode == 0 for publisher in publishers), printed
    return [json.loads(text) for text in printed]


def main(kind: str, number: int) -> None:
    import django
    from django.test import override_settings

    django.setup()
    from websocket_gateway.sending import broadcast

    failed: Counter[str] = Counter()
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS}):
        begun = time.monotonic()
        for turn in range(number):
            try:
                KINDS[kind](lambda channel: broadcast({"pid": os.getpid(), "n": turn}, channel=channel))  # noqa: B023
            except DatabaseError as exc:
                failed[type(exc).__name__ + ": " + str(exc)[:80]] += 1
        seconds = time.monotonic() - begun
    sys.stdout.write(json.dumps({"seconds": seconds, "failed": failed}))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    main(sys.argv[1], int(sys.argv[2]))
