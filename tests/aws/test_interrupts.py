"""Ctrl-C at any moment: what was posted is reported, by both engines."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.aws.engines import make_engine, recipients
from tests.support.rawsink import RawSink
from websocket_gateway.aws.fanout import Limits, Outcome, Status

LIMITS = Limits(concurrency=64, max_per_second=0, timeout_seconds=5, deadline_seconds=20)
# One may be on its way between two statements; a batch of them may not.
LOST_AT_MOST = 1


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


# A signal that strikes within a destructor is swallowed by Python: then the run was not interrupted.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["asyncio", "boto3"])
def test_an_interrupt_at_any_moment_loses_no_outcome(sink: RawSink, name: str) -> None:
    chance = random.Random(1)
    page = recipients(sink.endpoint, *(f"c{number}=" for number in range(2_000)))

    for _round in range(30):
        posted = len(sink.requests)
        engine = make_engine(name, limits=LIMITS)
        outcomes: list[Outcome] = []
        with suppress(KeyboardInterrupt), interrupted_after(chance.uniform(0.005, 0.12)):
            outcomes.extend(engine.send(page, b"{}"))
            outcomes.extend(engine.drain())
        outcomes.extend(engine.stop())

        delivered = sum(outcome.status is Status.DELIVERED for outcome in outcomes)
        assert 0 <= len(sink.requests) - posted - delivered <= LOST_AT_MOST
