"""The result of sending a message: outcomes counted one at a time, bounded in memory."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from websocket_gateway.aws.engines.base import Outcome, Status
from websocket_gateway.exceptions import WebSocketGatewayError

MAX_LISTED_FAILURES = 1_000
MAX_REASONS = 20
OTHER_REASONS = "other reasons"


@dataclass(frozen=True, slots=True)
class Failure:
    """A connection that possibly did not get the message, and the reason."""

    connection_id: str
    reason: str


OnFailure = Callable[[Failure], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """How many recipients got the message, and what happened to the others."""

    delivered: int = 0
    """Recipients whose message AWS accepted."""
    gone: int = 0
    """Recipients whose socket was closed; their sessions are marked as ended."""
    failed: int = 0
    """Recipients that possibly did not get the message; their sessions are unchanged."""
    reasons: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Reasons of the failures: reason -> number, the most frequent first, at most 20 and `other reasons`."""
    retried: int = 0
    """Attempts beyond the first, over all recipients."""
    seconds: float = 0.0
    engine: str = ""
    failures: tuple[Failure, ...] = ()
    """The first 1,000 failures, one by one."""
    deferred: bool = False
    """Nothing was sent so far. It is sent once the surrounding transaction commits, or by the task queue."""
    run: int | None = None
    """The number of the broadcast that the task queue sends."""
    epoch: str = ""
    offset: int | None = None
    """The place of the message in the history of its channel; None without a history, or if not known yet."""

    @property
    def recipients(self) -> int:
        """How many recipients there were."""
        return self.delivered + self.gone + self.failed

    @property
    def complete(self) -> bool:
        """Whether every recipient that was connected got the message; true if there was none."""
        return not self.failed and not self.deferred


class DeliveryInterruptedError(WebSocketGatewayError):
    """The database went away while a message was being sent, and did not come back in time.

    To continue, send again with `SendOptions(resume_after=exc.last_key)`.
    """

    def __init__(self, message: str, *, report: DeliveryReport, last_key: int) -> None:
        super().__init__(message)
        self.report = report
        """The recipients that were reached."""
        self.last_key = last_key
        """The highest primary key of a session that the message was sent to: recipients are sorted by it."""


class Tally:
    """Count outcomes as they arrive; `on_failure` gets every failure, also those that are not listed."""

    def __init__(self, *, engine: str = "", on_failure: OnFailure | None = None) -> None:
        self.engine = engine
        """The name of the engine that sends; empty until there is a recipient."""
        self._on_failure = on_failure
        self._started = time.monotonic()
        # Plain numbers, because they are counted for every recipient.
        self._delivered = self._gone = self._failed = self._retried = 0
        self._reasons: Counter[str] = Counter()
        self._failures: list[Failure] = []

    @property
    def total(self) -> int:
        """How many outcomes were counted."""
        return self._delivered + self._gone + self._failed

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many were delivered, gone and failed."""
        return self._delivered, self._gone, self._failed

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        recipient, status, reason, retries = outcome
        self._retried += retries
        if status is Status.DELIVERED:
            self._delivered += 1
        elif status is Status.GONE:
            self._gone += 1
        else:
            self.fail(recipient.connection_id, reason)

    def fail(self, connection_id: str, reason: str) -> None:
        """Count one failure."""
        self._failed += 1
        count_reason(self._reasons, reason)
        failure = Failure(connection_id, reason)
        if len(self._failures) < MAX_LISTED_FAILURES:
            self._failures.append(failure)
        if self._on_failure:
            self._on_failure(failure)

    def report(self) -> DeliveryReport:
        """The figures so far."""
        return DeliveryReport(
            delivered=self._delivered,
            gone=self._gone,
            failed=self._failed,
            reasons=MappingProxyType(dict(self._reasons.most_common())),
            retried=self._retried,
            seconds=time.monotonic() - self._started,
            engine=self.engine,
            failures=tuple(self._failures),
        )


def count_reason(reasons: Counter[str], reason: str, number: int = 1) -> None:
    """Count a reason; a new one after the twentieth is counted as `other reasons`."""
    if reason not in reasons and len(reasons) >= MAX_REASONS:
        reason = OTHER_REASONS
    reasons[reason] += number
