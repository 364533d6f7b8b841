"""What became of a message, in figures: folded one outcome at a time, bounded in memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from websocket_gateway.aws.fanout import Outcome, Status

MAX_LISTED_FAILURES = 1_000
MAX_REASONS = 20
OTHER_REASONS = "other reasons"


@dataclass(frozen=True, slots=True)
class Failure:
    """A connection that the message may not have reached, and why."""

    connection_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """How many got the message, and what happened to the others."""

    delivered: int = 0
    """Recipients whose message the service took."""
    gone: int = 0
    """Recipients whose socket was closed; their sessions are marked as ended."""
    failed: int = 0
    """Recipients that may not have the message; their sessions are as they were."""
    reasons: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Why they failed: reason -> number, the most frequent first, at most 20 and `other reasons`."""
    retried: int = 0
    """Attempts beyond the first, over all recipients."""
    seconds: float = 0.0
    engine: str = ""
    failures: tuple[Failure, ...] = ()
    """The first 1,000 failures, one by one."""
    deferred: bool = False
    """Nothing was sent yet: it will be when the surrounding transaction commits."""

    @property
    def recipients(self) -> int:
        """How many were tried."""
        return self.delivered + self.gone + self.failed

    @property
    def complete(self) -> bool:
        """Whether everyone who was there got the message; true as well where nobody was."""
        return not self.failed and not self.deferred


class Tally:
    """Counts outcomes as they come."""

    def __init__(self, *, engine: str = "") -> None:
        self.engine = engine
        """The engine that sends; the one asked for where nobody was there; empty until that is known."""
        self._started = time.monotonic()
        self._counts: Counter[Status] = Counter()
        self._reasons: Counter[str] = Counter()
        self._failures: list[Failure] = []
        self._retried = 0

    @property
    def total(self) -> int:
        """How many outcomes were counted."""
        return self._counts.total()

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self._retried += outcome.retries
        if outcome.status is Status.FAILED:
            self.fail(outcome.recipient.connection_id, outcome.reason)
        else:
            self._counts[outcome.status] += 1

    def fail(self, connection_id: str, reason: str) -> None:
        """Count one failure."""
        self._counts[Status.FAILED] += 1
        if reason not in self._reasons and len(self._reasons) >= MAX_REASONS:
            reason = OTHER_REASONS
        self._reasons[reason] += 1
        if len(self._failures) < MAX_LISTED_FAILURES:
            self._failures.append(Failure(connection_id, reason))

    def report(self) -> DeliveryReport:
        """The figures so far."""
        return DeliveryReport(
            delivered=self._counts[Status.DELIVERED],
            gone=self._counts[Status.GONE],
            failed=self._counts[Status.FAILED],
            reasons=MappingProxyType(dict(self._reasons.most_common())),
            retried=self._retried,
            seconds=time.monotonic() - self._started,
            engine=self.engine,
            failures=tuple(self._failures),
        )
