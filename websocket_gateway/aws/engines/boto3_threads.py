"""The engine that posts through boto3 from a pool of threads."""

from __future__ import annotations

import _thread
import math
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeAlias, TypeVar

from websocket_gateway.aws.connections import Connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Limits, Outcome, Recipient
from websocket_gateway.aws.engines.outcomes import answer_of_error
from websocket_gateway.aws.engines.retries import Attempt, EndpointQueue, Retries, share_of
from websocket_gateway.aws.pacing import Pace
from websocket_gateway.exceptions import ConfigurationError, EndpointUnreachableError
from websocket_gateway.no_fork import wait_until_gone
from websocket_gateway.tenants import for_another_thread

# More threads than this cost more in switches of the interpreter's lock than they gain.
MAX_THREADS = 32
# Recipients that wait, for their turn or for another attempt; with more of them, no further page is taken.
MAX_WAITING = 5_000
# How long the thread of a post that was given up is waited for.
_END_SECONDS = 0.01
Job = TypeVar("Job")
_Post: TypeAlias = "tuple[EndpointQueue, Attempt, bytes]"


class Boto3Engine:
    """Posts through boto3 from a pool of threads, and repeats what may succeed the next time.

    Raises `ConfigurationError` (credentials, region, profile) only while nothing has been
    settled yet; afterwards it is one recipient's failure like any other.
    """

    name = "boto3"

    def __init__(self, *, connections: Connections, limits: Limits) -> None:
        self._connections = connections
        self._limits = limits
        self._threads = min(limits.concurrency, MAX_THREADS)
        # An urgent post is timed from its beginning, so none may wait for the thread of one that hangs.
        most = sys.maxsize if limits.urgent else self._threads
        self._pool: ThreadPool[_Post] = ThreadPool(self._send_one, most=most)
        self._pace = Pace(limits.max_per_second)
        self._in_flight: dict[Attempt, EndpointQueue] = {}
        self._queues: dict[ManagementEndpoint, EndpointQueue] = {}
        self._retries: Retries[EndpointQueue] = Retries()
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
        while self._ready() or self._waiting() + len(self._retries) > MAX_WAITING:
            yield from self._turn()

    def drain(self) -> Iterator[Outcome]:
        """See `Engine.drain`."""
        while self._retries or any(queue.waiting or queue.in_flight for queue in self._queues.values()):
            yield from self._turn()

    def stop(self) -> Iterator[Outcome]:
        """See `Engine.stop`; waits for the posts in flight, one attempt's time-out at most."""
        self._stopped = True
        patience = (self._patience(time.monotonic()) or _END_SECONDS) if self._limits.urgent else None
        not_begun = self._pool.stop(patience)
        yield from self._collect(block_seconds=None)
        for queue, attempt, _data in not_begun:
            if self._in_flight.pop(attempt, None) and attempt.retries:
                yield queue.give_up(attempt)
        yield from self._expire(math.inf)
        yield from self._retries.stop(self._queues.values())
        self._queues.clear()
        self._pool.wait_until_gone()

    def _enqueue(self, recipient: Recipient) -> Iterator[Outcome]:
        queue = self._queues.get(recipient.endpoint)
        if queue is None:
            queue = EndpointQueue(recipient.endpoint, self._limits)
            self._queues[recipient.endpoint] = queue
        queue.waiting.append(Attempt(recipient))
        if queue.stopped:
            yield from queue.give_up_waiting()

    def _waiting(self) -> int:
        return sum(len(queue.waiting) for queue in self._queues.values())

    def _ready(self) -> bool:
        """Whether a gateway that answers has work left: then the next page would only fill the memory."""
        return any(queue.waiting and queue.in_flight < self._share() for queue in self._queues.values())

    def _share(self) -> int:
        """Posts for one gateway at a time: twice the threads, so that none waits for the next post."""
        return share_of(self._threads * (1 if self._limits.urgent else 2), self._queues.values())

    def _turn(self) -> Iterator[Outcome]:
        """Begin what may begin, then wait for the next thing to happen."""
        now = time.monotonic()
        self._retries.wake(now)
        yield from self._expire(now)
        possible = (self._begin(now) or None, self._retries.pause(now), self._patience(now))
        pauses = [pause for pause in possible if pause is not None]
        if pauses or any(queue.in_flight for queue in self._queues.values()):
            yield from self._collect(block_seconds=max(min(pauses), 0.001) if pauses else 3600.0)

    def _begin(self, now: float) -> float:
        """Begin in turns what can begin; the seconds until the pace allows more, or 0."""
        share = self._share()
        queues = [queue for queue in self._queues.values() if queue.may_begin(share)]
        while queues:
            for queue in queues:
                if pause := self._pace.take(now):
                    return pause
                attempt = queue.begin(now)
                self._in_flight[attempt] = queue
                self._pool.put((queue, attempt, self._data))
            queues = [queue for queue in queues if queue.may_begin(share)]
        return 0.0

    def _send_one(self, post: _Post) -> None:
        _queue, attempt, data = post
        self._connections.post(attempt.recipient.endpoint, attempt.recipient.connection_id, data)

    def _collect(self, *, block_seconds: float | None) -> Iterator[Outcome]:
        """Settle what has ended; with `block_seconds`, wait that long for the first."""
        try:
            (queue, attempt, _data), error = self._pool.take(block_seconds)
            while True:
                yield from self._settle(queue, attempt, error)
                (queue, attempt, _data), error = self._pool.take(None)
        except Empty:
            return

    def _patience(self, now: float) -> float | None:
        """The seconds until the first post in flight is given up; None where they are waited for."""
        if not self._limits.urgent or not self._in_flight:
            return None
        return max(0.0, min(attempt.deadline for attempt in self._in_flight) - now)

    def _expire(self, now: float) -> Iterator[Outcome]:
        """Give up what is in flight past its deadline; its thread ends by itself."""
        if not self._limits.urgent:
            return
        late = [attempt for attempt in self._in_flight if attempt.deadline <= now]
        for attempt in late:
            queue = self._in_flight[attempt]
            yield from self._settle(
                queue, attempt, EndpointUnreachableError("PostToConnection: no answer in time.")
            )

    def _settle(self, queue: EndpointQueue, attempt: Attempt, error: BaseException | None) -> list[Outcome]:
        if self._in_flight.pop(attempt, None) is None:
            return []  # given up meanwhile
        if isinstance(error, ConfigurationError) and not self._settled and not self._stopped:
            raise error
        answer = answer_of_error(error, queue.endpoint)
        outcomes = self._retries.settle(queue, attempt, answer, time.monotonic())
        self._settled = self._settled or bool(outcomes)
        return outcomes


class ThreadPool(Generic[Job]):
    """At most `most` threads, started as they are needed; `work` is called with each job that is put.

    Neither `ThreadPoolExecutor` nor `Thread`: their locks are taken in Python, so that a `KeyboardInterrupt`
    at the wrong moment leaves one held, and every thread waits for ever. Here a transfer is one call in C.
    Only the thread that made the pool may call its methods.
    """

    def __init__(self, work: Callable[[Job], None], *, most: int) -> None:
        self._work = work
        self._most = most
        self._jobs: SimpleQueue[tuple[Job] | None] = SimpleQueue()
        # The results are not in the queue that wakes: Ctrl-C may lose what a `get` returns.
        self._done: deque[tuple[Job, BaseException | None]] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._ended: SimpleQueue[int] = SimpleQueue()
        self._under_way = 0
        self._size = 0
        self._gone: list[int] = []

    def put(self, job: Job) -> None:
        """Give the job to the thread that is free first."""
        self._jobs.put((job,))
        self._under_way += 1
        if self._size < min(self._most, self._under_way):
            _thread.start_new_thread(for_another_thread(self._run), ())
            self._size += 1

    def take(self, block_seconds: float | None) -> tuple[Job, BaseException | None]:
        """A finished job, and what it raised; raises `Empty` after so many seconds, or at once for None."""
        while not self._done:
            self._wake.get(block_seconds is not None, block_seconds)
        self._under_way -= 1
        return self._done.popleft()

    def stop(self, patience_seconds: float | None) -> list[Job]:
        """Begin no further job, and wait for those under way, so long at most; returns those not begun."""
        left = []
        while True:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is not None:
                left.append(job[0])
        # One more than are counted: a signal may have struck between a thread's start and its being counted.
        for _number in range(self._size + 1):
            self._jobs.put(None)
        with suppress(Empty):
            while self._size:
                self._gone.append(self._ended.get(timeout=patience_seconds))
                self._size -= 1
        return left

    def wait_until_gone(self) -> None:
        """After `stop`: wait until the threads have left the process, so that it may fork."""
        wait_until_gone(self._gone)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                self._work(job[0])
            except BaseException as exc:  # noqa: BLE001 - passed to the thread that takes
                self._done.append((job[0], exc))
            else:
                self._done.append((job[0], None))
            self._wake.put(None)
        self._ended.put(threading.get_native_id())
