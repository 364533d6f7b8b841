"""Keeps calls that are made side by side under the account's rate."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

# The quota is 10 a second with a burst of 40, for everybody in the account.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
BURST = 20
PER_SECOND = 8.0


@dataclass(slots=True, kw_only=True)
class Pacer:
    """For one batch: `burst` calls at once, then `per_second`; safe for threads."""

    burst: int = BURST
    per_second: float = PER_SECOND
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _made: int = 0
    _began: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait(self) -> None:
        """Return when one more call may be made."""
        with self._lock:
            now = self.clock()
            self._began = self._began or now
            due = self._began + max(0, self._made - self.burst + 1) / self.per_second
            self._made += 1
        if due > now:
            self.sleep(due - now)
