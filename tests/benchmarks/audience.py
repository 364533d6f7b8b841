"""What a message costs beside its post: from rows to report, with an engine that only says "delivered".

Run it with `python -m tests.benchmarks.audience`; `WEBSOCKET_GATEWAY_TEST_DATABASE` selects the database and
the first argument how many recipients there are at most (1,000,000). Each size is sent to by a process of its
own, so that its peak of memory is its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from tests.benchmarks.results import keep  # noqa: E402
from tests.factories import ApiGatewayFactory  # noqa: E402
from websocket_gateway.aws.engines.base import Outcome, Recipient, Status  # noqa: E402
from websocket_gateway.models import WebSocketSession  # noqa: E402
from websocket_gateway.sending import broadcast, delivery  # noqa: E402

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 3
MEMORY_LIMIT_MB = 60
COST_LIMIT = 1.3


class Delivered:
    """An engine whose every post has arrived at once."""

    name = "none"

    def send(self, page: Iterable[Recipient], data: bytes) -> Iterator[Outcome]:
        """Everybody of the page."""
        return (Outcome(recipient, Status.DELIVERED) for recipient in page)

    def set_pace(self, max_per_second: float) -> None:
        """Nothing is posted."""

    def drain(self) -> Iterator[Outcome]:
        """Nothing is left."""
        return iter(())

    stop = drain


def main(most: int) -> int:
    """Measure, print, and answer 1 where memory or cost grows beyond the limits."""
    sizes = [size for size in SIZES if size <= most]
    databases = setup_databases(verbosity=0, interactive=False)
    try:
        _fill(sizes)
        found = {size: _measure(str(size)) for size in (0, *sizes)}
    finally:
        teardown_databases(databases, verbosity=0)
    print(f"{connection.vendor}; an empty channel: {found[0]['seconds'] * 1_000:.1f} ms")  # noqa: T201
    for size in sizes:
        cost, peak = found[size]["seconds"] / size * 1e6, found[size]["peak"]
        print(f"{size:>9,} recipients: {cost:5.1f} µs a message, peak {peak:.0f} MB")  # noqa: T201
        keep(f"{size:,} recipients, without their posts", f"{cost:.1f} µs a message, peak {peak:.0f} MB")
    smallest, before, largest = sizes[0], sizes[-2], sizes[-1]
    grown = found[largest]["peak"] - found[smallest]["peak"]
    ratio = found[largest]["seconds"] / largest / (found[before]["seconds"] / before)
    print(f"memory +{grown:.0f} MB (limit {MEMORY_LIMIT_MB}), cost x{ratio:.2f} (limit {COST_LIMIT})")  # noqa: T201
    keep("from the smallest to the largest", f"{grown:+.0f} MB", f"x {ratio:.2f} for each message")
    return 0 if grown <= MEMORY_LIMIT_MB and ratio <= COST_LIMIT else 1


def _fill(sizes: list[int]) -> None:
    gateway = ApiGatewayFactory.create()
    for size in sizes:
        for start in range(0, size, 10_000):
            WebSocketSession.objects.bulk_create(
                WebSocketSession(
                    connection_id=f"L0SM{size}c{number:08}=", channel_name=f"c{size}", api_gateway=gateway
                )
                for number in range(start, min(size, start + 10_000))
            )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _measure(channel: str) -> dict[str, float]:
    environment = {**os.environ, "WEBSOCKET_GATEWAY_TEST_NAME": str(settings.DATABASES["default"]["NAME"])}
    command = [sys.executable, "-m", "tests.benchmarks.audience", "--send-to", channel]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(ended.stdout)
    return answer


def send_to(channel: str) -> None:
    """Send three times, in a process of its own; print the least disturbed time and the peak of memory."""
    setattr(delivery, "open_engine", lambda *args, **options: Delivered())  # noqa: B010
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        report = broadcast({"text": "hello"}, channel=f"c{channel}")
        taken.append(time.perf_counter() - started)
    assert report.delivered == int(channel), report
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": min(taken), "peak": peak}))  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send-to"]:
        send_to(sys.argv[2])
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else SIZES[-1]))
