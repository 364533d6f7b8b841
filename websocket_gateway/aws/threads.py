"""The engine that posts through boto3 from a pool of threads."""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from websocket_gateway.aws.connections import Connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.fanout import Outcome, Pace, Recipient, Status, reason_of
from websocket_gateway.exceptions import (
    ConfigurationError,
    ConnectionGoneError,
    EndpointUnreachableError,
    ServiceError,
    ThrottledError,
)

# More threads than this cost more in hand-overs of the interpreter's lock than they gain.
MAX_THREADS = 32
# Recipients that wait for another attempt; with more of them, no further page is taken.
MAX_DELAYED = 5_000
# An endpoint that never answered in this run is given up sooner than the deadline.
MAX_ATTEMPTS_UNANSWERED = 4
_BACKOFF_CAP_SECONDS = 20.0
_BACKOFF_SECONDS = 0.05
_BACKOFF_THROTTLED_SECONDS = 0.5


@dataclass(slots=True)
class _Attempt:
    recipient: Recipient
    data: bytes
    retries: int = 0
    deadline: float = 0.0
    reason: str = ""


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
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="websocket-gateway-send")
        self._pace = Pace(max_per_second)
        self._deadline_seconds = deadline_seconds
        self._waiting: deque[_Attempt] = deque()
        self._delayed: list[tuple[float, int, _Attempt]] = []
        self._order = itertools.count()
        self._in_flight = 0
        self._done: SimpleQueue[tuple[_Attempt, Future[None]]] = SimpleQueue()
        self._answered: set[ManagementEndpoint] = set()
        self._settled = 0
        self._stopped = False

    def send(self, page: Iterable[Recipient], data: bytes) -> Iterator[Outcome]:
        """See `Engine.send`."""
        self._waiting.extend(_Attempt(recipient, data) for recipient in page)
        while self._waiting or len(self._delayed) > MAX_DELAYED:
            yield from self._turn()

    def drain(self) -> Iterator[Outcome]:
        """See `Engine.drain`."""
        while self._waiting or self._delayed or self._in_flight:
            yield from self._turn()

    def stop(self) -> Iterator[Outcome]:
        """See `Engine.stop`; waits for the posts in flight, one attempt's time-out at most."""
        self._stopped = True
        self._pool.shutdown(wait=True, cancel_futures=True)
        yield from self._collect(block_seconds=None)
        for _due, _number, attempt in self._delayed:
            yield self._outcome(attempt, Status.FAILED, attempt.reason)
        self._delayed.clear()
        self._waiting.clear()

    def _turn(self) -> Iterator[Outcome]:
        """Begin what may begin, then wait for the next thing to happen."""
        now = time.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            self._waiting.appendleft(heapq.heappop(self._delayed)[2])
        pause = 0.0
        # Twice the threads, so that none waits for this one to hand it the next post.
        while self._waiting and self._in_flight < self._threads * 2 and not pause:
            pause = self._pace.take(now)
            if not pause:
                self._begin(self._waiting.popleft(), now)
        wake = [pause] if pause else []
        if self._delayed:
            wake.append(self._delayed[0][0] - now)
        yield from self._collect(block_seconds=max(min(wake), 0.001) if wake else 3600.0)

    def _begin(self, attempt: _Attempt, now: float) -> None:
        attempt.deadline = attempt.deadline or now + self._deadline_seconds
        to = attempt.recipient
        self._in_flight += 1
        future = self._pool.submit(self._connections.post, to.endpoint, to.connection_id, attempt.data)
        future.add_done_callback(lambda done: self._done.put((attempt, done)))

    def _collect(self, *, block_seconds: float | None) -> Iterator[Outcome]:
        """Settle what came back; with `block_seconds`, wait that long for the first."""
        try:
            attempt, future = self._done.get(block_seconds is not None, block_seconds)
            while True:
                self._in_flight -= 1
                if not future.cancelled() and (outcome := self._settle(attempt, future.exception())):
                    yield outcome
                attempt, future = self._done.get_nowait()
        except Empty:
            return

    def _settle(self, attempt: _Attempt, error: BaseException | None) -> Outcome | None:
        endpoint = attempt.recipient.endpoint
        if not isinstance(error, (ConfigurationError, EndpointUnreachableError)):
            self._answered.add(endpoint)
        if error is None:
            return self._outcome(attempt, Status.DELIVERED)
        if isinstance(error, ConnectionGoneError):
            return self._outcome(attempt, Status.GONE)
        if isinstance(error, ConfigurationError) and not self._settled and not self._stopped:
            raise error
        attempt.reason = reason_of(error, endpoint)
        if self._may_repeat(attempt, error):
            self._delay(attempt, throttled=isinstance(error, ThrottledError))
            return None
        return self._outcome(attempt, Status.FAILED, attempt.reason)

    def _may_repeat(self, attempt: _Attempt, error: BaseException) -> bool:
        if self._stopped or time.monotonic() >= attempt.deadline:
            return False
        if isinstance(error, EndpointUnreachableError):
            tried = attempt.retries + 1
            return attempt.recipient.endpoint in self._answered or tried < MAX_ATTEMPTS_UNANSWERED
        return isinstance(error, ThrottledError) or (isinstance(error, ServiceError) and error.status >= 500)

    def _delay(self, attempt: _Attempt, *, throttled: bool) -> None:
        base = _BACKOFF_THROTTLED_SECONDS if throttled else _BACKOFF_SECONDS
        longest = min(base * 2**attempt.retries, _BACKOFF_CAP_SECONDS)
        due = time.monotonic() + random.uniform(0, longest)  # noqa: S311 - jitter, no secret
        attempt.retries += 1
        heapq.heappush(self._delayed, (min(due, attempt.deadline), next(self._order), attempt))

    def _outcome(self, attempt: _Attempt, status: Status, reason: str = "") -> Outcome:
        self._settled += 1
        return Outcome(attempt.recipient, status, reason, attempt.retries)
