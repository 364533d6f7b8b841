"""How fast, and how many at a time: the pace of calls, and the window of posts to one endpoint."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

_BURST_SECONDS = 0.05


class Pace:
    """At most `per_second` calls, evenly; 0 means no limit.

    `burst` calls may be made at once, else those of a twentieth of a second: what a late caller has missed.
    `pause`, `take` and `spend` are for one thread, and take no lock; `wait` is for any number of threads.
    """

    def __init__(
        self,
        per_second: float,
        *,
        burst: int = 0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._interval = 0.0
        self._next = -math.inf
        self._lock = threading.Lock()
        self.change(per_second)

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self._interval > 0

    def change(self, per_second: float) -> None:
        """Go on at another pace."""
        self._interval = 1 / per_second if per_second else 0.0

    def pause(self, now: float) -> float:
        """The seconds until the next call may be made; 0.0 if it may be made now."""
        return max(0.0, self._next - now) if self._interval else 0.0

    def spend(self, now: float, calls: int = 1) -> None:
        """Count calls that are made now."""
        credit = self._interval * (self._burst - 1) if self._burst else _BURST_SECONDS
        self._next = max(self._next, now - credit) + calls * self._interval

    def take(self, now: float) -> float:
        """0.0 if one call may be made now, which is then counted; else the seconds to wait."""
        pause = self.pause(now)
        if not pause:
            self.spend(now)
        return pause

    def wait(self) -> None:
        """Count one call, and return when it may be made."""
        with self._lock:
            now = self._clock()
            pause = self.pause(now)
            self.spend(now)
        if pause:
            self._sleep(pause)


class Window:
    """How many posts may be under way: additive increase, multiplicative decrease, by the share of 429s.

    A single 429 may be one client's full buffer, and a steady share of them says nothing new. Only a share
    that rises above what it was halves the window.
    """

    __slots__ = ("_began", "_count", "_throttled", "_usual", "size")

    _RESULTS = 50
    _SECONDS = 0.5
    _UNLIMITED_FROM = 4096

    def __init__(self) -> None:
        self.size = math.inf
        self._count = self._throttled = 0
        self._usual = 0.0
        self._began = 0.0

    def note(self, *, throttled: bool, in_flight: int, now: float) -> None:
        """Count one response."""
        self._count += 1
        self._throttled += throttled
        if self._count >= self._RESULTS or (throttled and now - self._began > self._SECONDS):
            self._judge(in_flight)
            self._count = self._throttled = 0
            self._began = now

    def _judge(self, in_flight: int) -> None:
        share = self._throttled / self._count
        if share > 1.5 * self._usual + 0.1:
            self.size = max(1.0, min(self.size, max(in_flight, 1)) / 2)
        elif self.size < math.inf:
            self.size += max(1.0, self.size / 4)
            if self.size > self._UNLIMITED_FROM:
                self.size = math.inf
        self._usual += (share - self._usual) / 4
