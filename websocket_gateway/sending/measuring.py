"""The metrics of one delivery: what its tally gained, counted page by page and not for each recipient."""

from __future__ import annotations

import time
from collections.abc import Sized

from websocket_gateway import metrics
from websocket_gateway.sending.reports import Tally


class Measures:
    """Counts what `tally` has gained since the last call. `waiting` has the recipients without an outcome."""

    def __init__(self, tally: Tally, waiting: Sized, *, urgent: bool) -> None:
        self._tally = tally
        self._waiting = waiting
        self._mode = "urgent" if urgent else "patient"
        self._begun: float | None = time.perf_counter()
        self._counted = (0, 0, 0)
        self._backlog = 0

    def count(self) -> None:
        """Count the outcomes since the last call, and the change of the backlog."""
        if metrics.recorder is None:
            return
        self._count(len(self._waiting))

    def finish(self) -> None:
        """The last call: nothing waits any more, and the time is recorded, once."""
        if metrics.recorder is None:
            return
        self._count(0)
        if self._begun is not None:
            metrics.record("send.duration", time.perf_counter() - self._begun, mode=self._mode)
            self._begun = None

    def _count(self, backlog: int) -> None:
        before, self._counted = self._counted, self._tally.counts
        delivered, gone, failed = (now - then for now, then in zip(self._counted, before, strict=True))
        metrics.count("send.posts", delivered, outcome="delivered")
        for outcome, number in (("delivered", delivered), ("gone", gone), ("failed", failed)):
            metrics.count("send.recipients", number, outcome=outcome)
        metrics.count("send.backlog", backlog - self._backlog)
        self._backlog = backlog
