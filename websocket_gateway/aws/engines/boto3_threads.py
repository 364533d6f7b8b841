"""The engine that posts through boto3 from a pool of threads."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Iterable, Iterator
from queue import Empty
from typing import TypeAlias

from websocket_gateway.aws.connections import Connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Outcome, Pace, Recipient
from websocket_gateway.aws.engines.endpoint_queue import Attempt, Lane
from websocket_gateway.aws.engines.outcomes import answer_of_error
from websocket_gateway.aws.engines.thread_pool import Crew
from websocket_gateway.exceptions import ConfigurationError

# More threads than this cost more in hand-overs of the interpreter's lock than they gain.
MAX_THREADS = 32
# Recipients that wait, for their turn or for another attempt; with more of them, no further page is taken.
MAX_WAITING = 5_000
_Post: TypeAlias = "tuple[Lane, Attempt, bytes]"


class Boto3Engine:
    """Posts through boto3 from a pool of threads, and repeats what may succeed the next time.

    Raises `ConfigurationError` (credentials, region, profile) only while nothing has been
    settled yet; afterwards it is one recipient's failure like any other.
    """

    name = "boto3"

    def __init__(
        self, *, connections: Connections, concurrency: int, max_per_second: float, deadline_seconds: float
    ) -> None:
        self._connections = connections
        self._threads = min(concurrency, MAX_THREADS)
        self._crew: Crew[_Post] = Crew(self._send_one, most=self._threads)
        self._pace = Pace(max_per_second)
        self._deadline_seconds = deadline_seconds
        self._lanes: dict[ManagementEndpoint, Lane] = {}
        self._delayed: list[tuple[float, int, Lane, Attempt]] = []
        self._order = itertools.count()
        self._data = b""
        self._settled = False
        self._stopped = False

    def set_pace(self, max_per_second: float) -> None:
        """See `Engine.set_pace`."""
        self._pace.change(max_per_second)

    def send(self, page: Iterable[Recipient], data: bytes) -> Iterator[Outcome]:
        """See `Engine.send`."""
        self._data = data
        for recipient in page:
            yield from self._enqueue(recipient)
        while self._ready() or self._waiting() + len(self._delayed) > MAX_WAITING:
            yield from self._turn()

    def drain(self) -> Iterator[Outcome]:
        """See `Engine.drain`."""
        while self._delayed or any(lane.waiting or lane.in_flight for lane in self._lanes.values()):
            yield from self._turn()

    def stop(self) -> Iterator[Outcome]:
        """See `Engine.stop`; waits for the posts in flight, one attempt's time-out at most."""
        self._stopped = True
        not_begun = self._crew.stop()
        yield from self._collect(block_seconds=None)
        yield from (lane.give_up(attempt) for lane, attempt, _data in not_begun if attempt.retries)
        for _due, _number, lane, attempt in self._delayed:
            yield lane.give_up(attempt)
        self._delayed.clear()
        for lane in self._lanes.values():
            yield from lane.stop()
        self._lanes.clear()

    def _enqueue(self, recipient: Recipient) -> Iterator[Outcome]:
        lane = self._lanes.get(recipient.endpoint)
        if lane is None:
            lane = Lane(recipient.endpoint, deadline_seconds=self._deadline_seconds)
            self._lanes[recipient.endpoint] = lane
        lane.waiting.append(Attempt(recipient))
        if lane.stopped:
            yield from lane.give_up_waiting()

    def _waiting(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def _ready(self) -> bool:
        """Whether a gateway that answers has work left: then the next page would only fill the memory."""
        return any(lane.waiting and lane.in_flight < self._share() for lane in self._lanes.values())

    def _share(self) -> int:
        """Posts for one gateway at a time: twice the threads, so that none waits for the next post."""
        busy = sum(bool(lane.waiting or lane.in_flight) for lane in self._lanes.values())
        return max(1, self._threads * 2 // max(1, busy))

    def _turn(self) -> Iterator[Outcome]:
        """Begin what may begin, then wait for the next thing to happen."""
        now = time.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            _due, _number, lane, attempt = heapq.heappop(self._delayed)
            lane.waiting.appendleft(attempt)
        pause = self._begin(now)
        wake = [pause] if pause else []
        if self._delayed:
            wake.append(self._delayed[0][0] - now)
        if wake or any(lane.in_flight for lane in self._lanes.values()):
            yield from self._collect(block_seconds=max(min(wake), 0.001) if wake else 3600.0)

    def _begin(self, now: float) -> float:
        """Begin in turns what there is room for; the seconds until the pace allows more, or 0."""
        share = self._share()
        lanes = [lane for lane in self._lanes.values() if lane.may_begin(share)]
        while lanes:
            for lane in lanes:
                if pause := self._pace.take(now):
                    return pause
                self._crew.put((lane, lane.begin(now), self._data))
            lanes = [lane for lane in lanes if lane.may_begin(share)]
        return 0.0

    def _send_one(self, post: _Post) -> None:
        _lane, attempt, data = post
        self._connections.post(attempt.recipient.endpoint, attempt.recipient.connection_id, data)

    def _collect(self, *, block_seconds: float | None) -> Iterator[Outcome]:
        """Settle what came back; with `block_seconds`, wait that long for the first."""
        try:
            (lane, attempt, _data), error = self._crew.take(block_seconds)
            while True:
                yield from self._settle(lane, attempt, error)
                (lane, attempt, _data), error = self._crew.take(None)
        except Empty:
            return

    def _settle(self, lane: Lane, attempt: Attempt, error: BaseException | None) -> Iterator[Outcome]:
        if isinstance(error, ConfigurationError) and not self._settled and not self._stopped:
            raise error
        now = time.monotonic()
        outcome = lane.settle(attempt, answer_of_error(error, lane.endpoint), now)
        if isinstance(outcome, Outcome):
            self._settled = True
            yield outcome
        elif self._stopped:
            yield lane.give_up(attempt)
        else:
            heapq.heappush(self._delayed, (now + outcome, next(self._order), lane, attempt))
        if lane.stopped:
            yield from self._abandon(lane)

    def _abandon(self, lane: Lane) -> Iterator[Outcome]:
        """Give up everyone of a gateway that was stopped, at once."""
        yield from lane.give_up_waiting()
        yield from (
            lane.give_up(attempt) for _due, _number, theirs, attempt in self._delayed if theirs is lane
        )
        self._delayed = [item for item in self._delayed if item[2] is not lane]
        heapq.heapify(self._delayed)
