"""The circuit breaker among threads: one caller tries an endpoint again, and one opening is counted once."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.metrics.conftest import RecordedEmf
from websocket_gateway import metrics
from websocket_gateway.aws.engines import circuit_breaker
from websocket_gateway.aws.engines.circuit_breaker import CircuitBreaker

URL = "https://abc.execute-api.eu-west-1.amazonaws.com/production"
THREADS = 8
ROUNDS = 100


@pytest.fixture(autouse=True)
def many_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(call: Callable[[], object]) -> list[object]:
    """What each of several threads gets from the same call at the same moment."""
    barrier, found = threading.Barrier(THREADS), []

    def work() -> None:
        barrier.wait()
        found.append(call())

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_after_its_time_one_thread_alone_tries_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    breaker = CircuitBreaker()
    for _ in range(ROUNDS):
        monkeypatch.setattr(circuit_breaker, "OPEN_SECONDS", -1.0)
        breaker.trip(URL)
        monkeypatch.setattr(circuit_breaker, "OPEN_SECONDS", 100.0)
        assert at_once(lambda: breaker.why_open(URL)).count("") == 1


def test_an_opening_that_many_threads_notice_is_counted_once() -> None:
    recorded, breaker = RecordedEmf(), CircuitBreaker()
    metrics.switch(recorded.recorder)
    try:
        for _ in range(ROUNDS):
            at_once(lambda: breaker.trip(URL))
            breaker.reset(URL)
    finally:
        metrics.switch(None)

    assert recorded.counts()["circuit_breaker.opens",] == ROUNDS


def test_each_endpoint_has_its_own_and_an_answer_resets_it() -> None:
    breaker = CircuitBreaker()
    breaker.trip(URL)

    assert f"{URL} did not answer" in breaker.why_open(URL)
    assert breaker.why_open("https://other.example") == ""
    breaker.reset(URL)
    assert breaker.why_open(URL) == ""
