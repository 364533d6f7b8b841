"""The circuit breaker: an endpoint that did not answer is not called again for some seconds.

It is for sends that a user waits for, in a web request or at a commit. Each process has its own, and it
knows nothing but time.
"""

from __future__ import annotations

import threading
import time

from websocket_gateway import metrics
from websocket_gateway.forking import PerProcess

OPEN_SECONDS = 10.0
"""For how long an endpoint is not called; then one send tries it, while the others still fail at once."""


class CircuitBreaker:
    """The endpoints that did not answer, by URL. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closes_at: dict[str, float] = {}

    def why_open(self, url: str) -> str:
        """Why `url` is not called now; empty where it may be called.

        An empty answer after `OPEN_SECONDS` is for one caller. The next one gets it after as long again,
        unless an answer of the endpoint has reset the breaker.
        """
        if url not in self._closes_at:
            return ""
        with self._lock:
            now = time.monotonic()
            if now >= self._closes_at.get(url, 0.0):
                self._closes_at[url] = now + OPEN_SECONDS
                return ""
        return f"not tried: {url} did not answer, and web requests do not call it for {OPEN_SECONDS:g} s"

    def trip(self, url: str) -> None:
        """The endpoint did not answer in time."""
        with self._lock:
            is_new = url not in self._closes_at
            self._closes_at[url] = time.monotonic() + OPEN_SECONDS
        if is_new:
            metrics.count("circuit_breaker.opens")

    def reset(self, url: str) -> None:
        """The endpoint answered, whatever the answer was."""
        self._closes_at.pop(url, None)


circuit_breaker = PerProcess(CircuitBreaker)
