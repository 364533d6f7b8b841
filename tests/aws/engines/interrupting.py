"""Interrupts an engine again and again, and prints for each time how many posts its report lacks.

`python -m tests.aws.engines.interrupting asyncio`: a process of its own, so that only our code
can be interrupted.
"""

from __future__ import annotations

import json
import random
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import django

from tests.aws.engines.engines import make_engine, recipients
from tests.support.rawsink import RawSink, running_raw_sink
from websocket_gateway.aws.engines.base import Limits, Outcome, Status

ROUNDS = 30
LIMITS = Limits(concurrency=64, max_per_second=0, timeout_seconds=5, deadline_seconds=20)


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """`KeyboardInterrupt` in this thread, once, from a real signal."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def interrupt_once(sink: RawSink, name: str, seconds: float) -> int:
    """How many posts were made that the outcomes do not tell of."""
    page = recipients(sink.endpoint, *(f"c{number}=" for number in range(2_000)))
    posted = len(sink.requests)
    engine = make_engine(name, limits=LIMITS)
    outcomes: list[Outcome] = []
    with suppress(KeyboardInterrupt), interrupted_after(seconds):
        outcomes.extend(engine.send(page, b"{}"))
        outcomes.extend(engine.drain())
    outcomes.extend(engine.stop())
    delivered = sum(outcome.status is Status.DELIVERED for outcome in outcomes)
    return len(sink.requests) - posted - delivered


if __name__ == "__main__":
    django.setup()
    chance = random.Random(1)
    with running_raw_sink() as sink:
        lost = [interrupt_once(sink, sys.argv[1], chance.uniform(0.005, 0.12)) for _ in range(ROUNDS)]
    json.dump(lost, sys.stdout)
