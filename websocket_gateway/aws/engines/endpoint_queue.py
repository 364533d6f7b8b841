"""One gateway's share of a run: what waits, what is under way, and when to slow down, repeat or give up.

Without input or output: both engines ask it, and do what it says.
"""

from __future__ import annotations

import math
from collections import deque

from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Outcome, Recipient, Status
from websocket_gateway.aws.engines.outcomes import Answer, Kind
from websocket_gateway.forking import jitter

# An endpoint that never answered is given up, as a whole, after so many attempts for one recipient.
MAX_ATTEMPTS_UNANSWERED = 4
# So many refusals in a row, with nothing else between them, mean the gateway and not the recipient.
MAX_DENIED_IN_A_ROW = 50
_BACKOFF_CAP_SECONDS = 20.0
_BACKOFF_SECONDS = 0.05
_BACKOFF_THROTTLED_SECONDS = 0.5
_REPEATED = frozenset({Kind.THROTTLED, Kind.FAILING, Kind.UNANSWERED})


class Attempt:
    """A recipient on its way, however often it is tried."""

    __slots__ = ("deadline", "reason", "recipient", "resent", "retries")

    def __init__(self, recipient: Recipient) -> None:
        self.recipient = recipient
        self.retries = 0
        """Attempts after the first."""
        self.deadline = 0.0
        """Monotonic; set when it is begun."""
        self.reason = ""
        """Why the last attempt did not succeed."""
        self.resent = False
        """Whether it was sent again at once, because the connection it went out on was dead already."""


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
        """Count one answer."""
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


class Lane:
    """The recipients of one gateway, in order, and how the gateway has been answering."""

    def __init__(self, endpoint: ManagementEndpoint, *, deadline_seconds: float) -> None:
        self.endpoint = endpoint
        self.waiting: deque[Attempt] = deque()
        self.in_flight = 0
        self.stopped = ""
        """Why nothing more is sent here; empty while it is."""
        self.window = Window()
        self._deadline_seconds = deadline_seconds
        self._answered_at = -math.inf
        self._denied = 0

    def may_begin(self, share: int) -> bool:
        """Whether another post may be begun, with `share` connections for this gateway."""
        busy = self.in_flight >= share or self.in_flight >= self.window.size
        return bool(self.waiting) and not busy and not self.stopped

    def begin(self, now: float) -> Attempt:
        """Take the next recipient."""
        attempt = self.waiting.popleft()
        attempt.deadline = attempt.deadline or now + self._deadline_seconds
        self.in_flight += 1
        return attempt

    def delivered(self, attempt: Attempt, now: float) -> Outcome:
        """`settle` for what nearly always happens, without its questions."""
        self.in_flight -= 1
        self._answered_at = now
        self._denied = 0
        self.window.note(throttled=False, in_flight=self.in_flight + 1, now=now)
        return Outcome(attempt.recipient, Status.DELIVERED, "", attempt.retries)

    def settle(self, attempt: Attempt, answer: Answer, now: float) -> Outcome | float:
        """Take in how an attempt ended: its outcome, or in how many seconds to try again."""
        kind = answer.kind
        if kind is Kind.DELIVERED:
            return self.delivered(attempt, now)
        self.in_flight -= 1
        if kind is not Kind.UNANSWERED:
            self._answered_at = now
            self._denied = self._denied + 1 if kind is Kind.DENIED else 0
            self.window.note(throttled=kind is Kind.THROTTLED, in_flight=self.in_flight + 1, now=now)
        if kind is Kind.GONE:
            return Outcome(attempt.recipient, Status.GONE, "", attempt.retries)
        attempt.reason = answer.reason
        self._judge(attempt, answer, now)
        if kind in _REPEATED and not self.stopped and now < attempt.deadline:
            return self._pause(attempt, throttled=kind is Kind.THROTTLED, now=now)
        return self.give_up(attempt)

    def give_up(self, attempt: Attempt) -> Outcome:
        """The outcome of a recipient that is not tried any more."""
        reason = attempt.reason or self.stopped
        return Outcome(attempt.recipient, Status.FAILED, reason, attempt.retries)

    def give_up_waiting(self) -> list[Outcome]:
        """The outcomes of all that still wait; for a gateway that was stopped."""
        left = [self.give_up(attempt) for attempt in self.waiting]
        self.waiting.clear()
        return left

    def stop(self) -> list[Outcome]:
        """Take nothing on any more, and give up those who were tried before and wait; forget the others."""
        self.stopped = self.stopped or "the run was stopped"
        begun = [self.give_up(attempt) for attempt in self.waiting if attempt.retries]
        self.waiting.clear()
        return begun

    def _judge(self, attempt: Attempt, answer: Answer, now: float) -> None:
        if self._denied >= MAX_DENIED_IN_A_ROW:
            self.stopped = f"given up after {self._denied} refusals in a row: {answer.reason}"
        elif answer.kind is Kind.UNANSWERED:
            never = self._answered_at == -math.inf
            silent = not never and now - self._answered_at > self._deadline_seconds
            if silent or (never and attempt.retries + 1 >= MAX_ATTEMPTS_UNANSWERED):
                self.stopped = answer.reason

    def _pause(self, attempt: Attempt, *, throttled: bool, now: float) -> float:
        base = _BACKOFF_THROTTLED_SECONDS if throttled else _BACKOFF_SECONDS
        longest = min(base * 2**attempt.retries, _BACKOFF_CAP_SECONDS)
        attempt.retries += 1
        attempt.resent = False
        pause = jitter.uniform(0, longest)
        return max(0.0, min(pause, attempt.deadline - now))
