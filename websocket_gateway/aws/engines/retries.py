"""Which posts wait, which are repeated and when, and when an endpoint is given up.

Without input or output: both engines do what is decided here.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from websocket_gateway import metrics
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Limits, Outcome, Recipient, Status
from websocket_gateway.aws.engines.circuit_breaker import circuit_breaker
from websocket_gateway.aws.engines.outcomes import Answer, Kind
from websocket_gateway.aws.pacing import Window
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
    """The posts to one recipient, however often they are repeated."""

    __slots__ = ("deadline", "reason", "recipient", "resent", "retries")

    def __init__(self, recipient: Recipient) -> None:
        self.recipient = recipient
        self.retries = 0
        """Posts after the first."""
        self.deadline = 0.0
        """Monotonic; set when the first post is begun."""
        self.reason = ""
        """Why the last post did not succeed."""
        self.resent = False
        """Whether it was sent again at once, because the connection it went out on was dead already."""


class EndpointQueue:
    """The recipients of one endpoint, in order, and how the endpoint has been answering."""

    def __init__(self, endpoint: ManagementEndpoint, limits: Limits) -> None:
        self.endpoint = endpoint
        self.waiting: deque[Attempt] = deque()
        self.in_flight = 0
        self.stopped = circuit_breaker().why_open(endpoint.url) if limits.urgent else ""
        """Why nothing more is sent to this endpoint; empty while it is used."""
        self.window = Window()
        self._deadline_seconds = limits.deadline_seconds
        self._urgent = limits.urgent
        self._answered_at = -math.inf
        self._denied = 0

    def may_begin(self, share: int) -> bool:
        """Whether another post may be begun, with `share` connections for this endpoint."""
        busy = self.in_flight >= share or self.in_flight >= self.window.size
        return bool(self.waiting) and not busy and not self.stopped

    def begin(self, now: float) -> Attempt:
        """Take the next recipient."""
        attempt = self.waiting.popleft()
        attempt.deadline = attempt.deadline or now + self._deadline_seconds
        self.in_flight += 1
        return attempt

    def delivered(self, attempt: Attempt, now: float) -> Outcome:
        """`settle` for the usual case, as fast as possible."""
        self.in_flight -= 1
        self._note_answer(now)
        self._denied = 0
        self.window.note(throttled=False, in_flight=self.in_flight + 1, now=now)
        return Outcome(attempt.recipient, Status.DELIVERED, "", attempt.retries)

    def settle(self, attempt: Attempt, answer: Answer, now: float) -> Outcome | float:
        """Note how a post ended: the recipient's outcome, or in how many seconds to try again."""
        kind = answer.kind
        if kind is Kind.DELIVERED:
            return self.delivered(attempt, now)
        metrics.count("send.posts", outcome=kind.value)
        self.in_flight -= 1
        if kind is not Kind.UNANSWERED:
            self._note_answer(now)
            self._denied = self._denied + 1 if kind is Kind.DENIED else 0
            self.window.note(throttled=kind is Kind.THROTTLED, in_flight=self.in_flight + 1, now=now)
        if kind is Kind.GONE:
            return Outcome(attempt.recipient, Status.GONE, "", attempt.retries)
        attempt.reason = answer.reason
        self._judge(attempt, answer, now)
        if kind in _REPEATED and not self.stopped and now < attempt.deadline:
            pause = self._pause(attempt, throttled=kind is Kind.THROTTLED, now=now)
            if not self._urgent or now + pause < attempt.deadline:
                attempt.retries += 1
                attempt.resent = False
                return pause
        if self._urgent and kind is Kind.UNANSWERED:
            self._stop_silent(attempt)
        return self.give_up(attempt)

    def give_up(self, attempt: Attempt) -> Outcome:
        """The outcome of a recipient that is not tried again."""
        if self._urgent:
            metrics.count("send.given_up")
        reason = attempt.reason or self.stopped
        return Outcome(attempt.recipient, Status.FAILED, reason, attempt.retries)

    def give_up_waiting(self) -> list[Outcome]:
        """The outcomes of all that still wait; for an endpoint that was stopped."""
        left = [self.give_up(attempt) for attempt in self.waiting]
        self.waiting.clear()
        return left

    def stop(self) -> list[Outcome]:
        """Begin nothing more. Gives up the recipients that were tried before; forgets the others."""
        self.stopped = self.stopped or "the run was stopped"
        begun = [self.give_up(attempt) for attempt in self.waiting if attempt.retries]
        self.waiting.clear()
        return begun

    def _note_answer(self, now: float) -> None:
        self._answered_at = now
        if self._urgent:
            circuit_breaker().reset(self.endpoint.url)

    def _stop_silent(self, attempt: Attempt) -> None:
        """Stop an endpoint that answered no recipient since `attempt` was begun."""
        if self._answered_at < attempt.deadline - self._deadline_seconds:
            self.stopped = self.stopped or attempt.reason
            circuit_breaker().trip(self.endpoint.url)

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
        pause = jitter.uniform(0, longest)
        return max(0.0, min(pause, attempt.deadline - now))


Queue = TypeVar("Queue", bound=EndpointQueue)


def share_of(posts: int, queues: Iterable[EndpointQueue]) -> int:
    """How many of `posts` simultaneous posts each endpoint may have: equal shares for those with work."""
    busy = sum(bool(queue.waiting or queue.in_flight) for queue in queues)
    return max(1, posts // max(1, busy))


class Retries(Generic[Queue]):
    """The attempts that wait for another post, by the time when it is due. Used by one thread."""

    def __init__(self) -> None:
        self._delayed: list[tuple[float, int, Queue, Attempt]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        """How many wait. May be read from any thread."""
        return len(self._delayed)

    def settle(self, queue: Queue, attempt: Attempt, answer: Answer, now: float) -> list[Outcome]:
        """Note how a post ended, and return the outcomes: of all recipients if the endpoint was stopped."""
        result = queue.settle(attempt, answer, now)
        outcomes = []
        if isinstance(result, Outcome):
            outcomes.append(result)
        else:
            heapq.heappush(self._delayed, (now + result, next(self._order), queue, attempt))
        if queue.stopped:
            outcomes.extend(self.abandon(queue))
        return outcomes

    def pause(self, now: float) -> float | None:
        """The seconds until the next attempt is due; None if none waits."""
        return max(0.0, self._delayed[0][0] - now) if self._delayed else None

    def wake(self, now: float) -> None:
        """Put the attempts that are due first in their queues."""
        while self._delayed and self._delayed[0][0] <= now:
            _due, _number, queue, attempt = heapq.heappop(self._delayed)
            queue.waiting.appendleft(attempt)

    def abandon(self, queue: Queue) -> list[Outcome]:
        """Give up all recipients of a stopped endpoint, at once."""
        delayed = [attempt for _due, _number, owner, attempt in self._delayed if owner is queue]
        if delayed:
            self._delayed = [item for item in self._delayed if item[2] is not queue]
            heapq.heapify(self._delayed)
        return [*queue.give_up_waiting(), *(queue.give_up(attempt) for attempt in delayed)]

    def stop(self, queues: Iterable[Queue]) -> list[Outcome]:
        """Give up the recipients that wait to be tried again, and forget those that never were tried."""
        for _due, _number, queue, attempt in self._delayed:
            queue.waiting.append(attempt)
        self._delayed.clear()
        return [outcome for queue in queues for outcome in queue.stop()]
