"""The books of a run: whose outcome is to come, who waits for another attempt, what can be told already."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable

from websocket_gateway.aws.engines.base import Outcome
from websocket_gateway.aws.engines.endpoint_queue import Attempt, Lane
from websocket_gateway.aws.engines.outcomes import Answer

_BATCH = 200


class Ledger:
    """Used by one thread. `deliver` gets the outcomes in batches; `on_empty` hears that none is to come."""

    def __init__(self, *, deliver: Callable[[list[Outcome]], None], on_empty: Callable[[], None]) -> None:
        self._deliver = deliver
        self._on_empty = on_empty
        self._unsettled = 0
        self._batch: list[Outcome] = []
        self._delayed: list[tuple[float, int, Lane, Attempt]] = []
        self._order = itertools.count()

    @property
    def delayed(self) -> int:
        """How many wait for another attempt. May be read from any thread."""
        return len(self._delayed)

    def expect(self, number: int) -> None:
        """So many recipients were taken on."""
        self._unsettled += number

    def settle(self, lane: Lane, attempt: Attempt, answer: Answer, now: float) -> None:
        """Note how an attempt ended, and what follows from it for the others of its gateway."""
        result = lane.settle(attempt, answer, now)
        if isinstance(result, Outcome):
            self.settled(result)
        else:
            heapq.heappush(self._delayed, (now + result, next(self._order), lane, attempt))
        if lane.stopped:
            self.abandon(lane)

    def settled(self, outcome: Outcome) -> None:
        """Note one outcome."""
        self._unsettled -= 1
        self._batch.append(outcome)
        if len(self._batch) >= _BATCH:
            self.flush()
        self._tell_if_empty()

    def wake(self, now: float) -> None:
        """Put those whose pause is over first in their lanes."""
        while self._delayed and self._delayed[0][0] <= now:
            _due, _number, lane, attempt = heapq.heappop(self._delayed)
            lane.waiting.appendleft(attempt)

    def abandon(self, lane: Lane) -> None:
        """Give up everyone of a gateway that was stopped, at once."""
        theirs = [attempt for _due, _number, owner, attempt in self._delayed if owner is lane]
        if theirs:
            self._delayed = [item for item in self._delayed if item[2] is not lane]
            heapq.heapify(self._delayed)
        for outcome in (*lane.give_up_waiting(), *(lane.give_up(attempt) for attempt in theirs)):
            self.settled(outcome)

    def stop(self, lanes: Iterable[Lane]) -> None:
        """Give up whoever waits to be tried again, and forget whoever never was."""
        for _due, _number, lane, attempt in self._delayed:
            lane.waiting.append(attempt)
        self._delayed.clear()
        for lane in lanes:
            waiting = len(lane.waiting)
            begun = lane.stop()
            self._unsettled -= waiting - len(begun)
            for outcome in begun:
                self.settled(outcome)
        self._tell_if_empty()

    def flush(self) -> None:
        """Tell what can be told."""
        if self._batch:
            batch, self._batch = self._batch, []
            self._deliver(batch)

    def _tell_if_empty(self) -> None:
        if not self._unsettled:
            self.flush()
            self._on_empty()
