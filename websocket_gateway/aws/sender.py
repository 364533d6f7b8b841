"""The event loop's side of the asyncio engine: lanes, connections, clocks. All of it runs in one thread."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from websocket_gateway.aws.answers import Answer, Kind, answer_of_status
from websocket_gateway.aws.dialing import Dialer
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.fanout import Outcome, Pace, Recipient
from websocket_gateway.aws.http1 import Connection
from websocket_gateway.aws.lanes import Attempt, Lane
from websocket_gateway.aws.signing import Payload, Signer

_TICK_SECONDS = 0.05
_BATCH = 200
_RECEIVE_BYTES = 65_536
# Shorter pauses would only wake the loop more often; the pace catches up within its burst.
_SHORTEST_PAUSE_SECONDS = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much, how fast, how long."""

    concurrency: int
    max_per_second: float
    timeout_seconds: float
    deadline_seconds: float


class Line(Lane):
    """A lane with the connections that serve it."""

    def __init__(
        self, signer: Signer, endpoint: ManagementEndpoint, *, ca_bundle: str, limits: Limits
    ) -> None:
        super().__init__(endpoint, deadline_seconds=limits.deadline_seconds)
        self.signer = signer
        self.dialer = Dialer(endpoint.url, ca_bundle=ca_bundle)
        self.connections: set[Connection] = set()
        self.idle: list[Connection] = []


class Sender:
    """Posts what it is given; `deliver` gets the outcomes in batches, from the loop's thread."""

    def __init__(self, *, limits: Limits, ca_bundle: str, deliver: Callable[[list[Outcome]], None]) -> None:
        self._limits = limits
        self._ca_bundle = ca_bundle
        self._deliver = deliver
        self._pace = Pace(limits.max_per_second)
        self._paused = False
        self._lines: dict[ManagementEndpoint, Line] = {}
        self._delayed: list[tuple[float, int, Line, Attempt]] = []
        self._order = itertools.count()
        self._opening: set[asyncio.Task[None]] = set()
        self._batch: list[Outcome] = []
        self._payload = Payload(b"")
        self._unsettled = 0
        self._share = limits.concurrency
        self.buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._ended = asyncio.Event()
        self._stopping = False

    @property
    def delayed(self) -> int:
        """How many wait for another attempt. May be read from any thread."""
        return len(self._delayed)

    async def run(self) -> None:
        """Keep the clock until `stop`, then close every connection."""
        clock = asyncio.get_running_loop().create_task(self._keep_clock())
        try:
            await self._ended.wait()
        finally:
            tasks = [clock, *self._opening]
            for task in tasks:
                task.cancel()
            for line in self._lines.values():
                for connection in tuple(line.connections):
                    connection.close()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # lets the transports end

    def take(
        self, page: list[Recipient], signers: dict[ManagementEndpoint, Signer], payload: Payload
    ) -> None:
        """Take a page on, with the signers to use from now on."""
        self._payload = payload
        self._unsettled += len(page)
        self.sign_with(signers)
        line = next(iter(self._lines.values()))
        for recipient in page:
            if recipient.endpoint is not line.endpoint:
                line = self._lines[recipient.endpoint]
            line.waiting.append(Attempt(recipient))
        self._pump_all()

    def sign_with(self, signers: dict[ManagementEndpoint, Signer]) -> None:
        """Use these signers from now on."""
        for endpoint, signer in signers.items():
            if endpoint in self._lines:
                self._lines[endpoint].signer = signer
            else:
                self._lines[endpoint] = Line(signer, endpoint, ca_bundle=self._ca_bundle, limits=self._limits)

    def set_pace(self, max_per_second: float) -> None:
        """Go on at another pace."""
        self._pace.change(max_per_second)
        self._resume()

    def stop(self) -> None:
        """Begin nothing more; `run` ends once what is under way has ended."""
        self._stopping = True
        for _due, _number, line, attempt in self._delayed:
            self._settled(line.give_up(attempt))
        self._delayed.clear()
        for line in self._lines.values():
            self._unsettled -= len(line.waiting)
            line.waiting.clear()
            line.stopped = line.stopped or "the run was stopped"
        self._flush_if_done()

    # What connections tell

    def answered(self, connection: Connection, status: int, code: str) -> None:
        """Settle the recipient, and send to the next one over the same connection."""
        line: Line = connection.line
        attempt: Attempt = connection.load
        connection.load = None
        now = time.monotonic()
        if status == 200:
            self._settled(line.delivered(attempt, now))
        else:
            self._settle(line, attempt, answer_of_status(status, code, line.endpoint), now)
        if not connection.reusable:
            self._drop(connection)
            self._pump(line)
        elif line.may_begin(self._share) and self._may_go(now):
            self._post(connection, line.begin(now), now)
        else:
            line.idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """Send again at once what went out on a connection that was dead; else count it as unanswered."""
        line: Line = connection.line
        attempt: Attempt | None = connection.load
        connection.load = None
        self._drop(connection)
        if attempt is None:
            return
        if connection.served and not attempt.resent and not line.stopped:
            attempt.resent = True
            attempt.retries += 1
            line.in_flight -= 1
            line.waiting.appendleft(attempt)
        else:
            self._settle(line, attempt, _unanswered(line), time.monotonic())
        self._pump(line)

    # Beginning

    def _pump_all(self) -> None:
        busy = sum(bool(line.waiting or line.in_flight) for line in self._lines.values())
        self._share = max(1, self._limits.concurrency // max(1, busy))
        for line in self._lines.values():
            self._pump(line)

    def _pump(self, line: Line) -> None:
        now = time.monotonic()
        while line.may_begin(self._share) and self._may_go(now):
            attempt = line.begin(now)
            if line.idle:
                self._post(line.idle.pop(), attempt, now)
            else:
                task = asyncio.get_running_loop().create_task(self._open(line, attempt))
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)

    def _may_go(self, now: float) -> bool:
        """Take one from the pace; where it has none, wake up when it will."""
        if self._paused or not self._pace.limited:
            return not self._paused
        pause = self._pace.take(now)
        if pause:
            self._paused = True
            delay = max(pause, _SHORTEST_PAUSE_SECONDS)
            asyncio.get_running_loop().call_later(delay, self._resume)
        return not pause

    def _resume(self) -> None:
        self._paused = False
        self._pump_all()

    def _post(self, connection: Connection, attempt: Attempt, now: float) -> None:
        line: Line = connection.line
        try:
            request = line.signer.request(attempt.recipient.connection_id, self._payload)
        except ValueError as exc:
            line.idle.append(connection)
            self._settle(line, attempt, Answer(Kind.REFUSED, str(exc)), now)
            return
        connection.send(request, attempt, now)

    async def _open(self, line: Line, attempt: Attempt) -> None:
        answer = _unanswered(line)
        try:
            connecting = line.dialer.connect(self, line)
            connection = await asyncio.wait_for(connecting, self._limits.timeout_seconds)
        except ssl.SSLCertVerificationError as exc:
            line.stopped = (
                f"the certificate of {line.endpoint.url} is not trusted ({exc.verify_message}); "
                "AWS_CA_BUNDLE names the certificates to trust"
            )
            answer = Answer(Kind.REFUSED, line.stopped)
        except (OSError, asyncio.TimeoutError):
            pass
        else:
            line.connections.add(connection)
            if connection.closed:
                line.connections.discard(connection)
            else:
                return self._post(connection, attempt, time.monotonic())
        self._settle(line, attempt, answer, time.monotonic())
        self._pump(line)
        return None

    # Ending

    def _settle(self, line: Line, attempt: Attempt, answer: Answer, now: float) -> None:
        result = line.settle(attempt, answer, now)
        if isinstance(result, Outcome):
            self._settled(result)
        else:
            heapq.heappush(self._delayed, (now + result, next(self._order), line, attempt))
        if line.stopped:
            self._abandon(line)

    def _settled(self, outcome: Outcome) -> None:
        self._unsettled -= 1
        self._batch.append(outcome)
        if len(self._batch) >= _BATCH:
            self._flush()
        else:
            self._flush_if_done()

    def _abandon(self, line: Line) -> None:
        """Give up everyone of a gateway that was stopped, at once."""
        theirs = [attempt for _due, _number, owner, attempt in self._delayed if owner is line]
        if theirs:
            self._delayed = [item for item in self._delayed if item[2] is not line]
            heapq.heapify(self._delayed)
        for outcome in (*line.give_up_waiting(), *(line.give_up(attempt) for attempt in theirs)):
            self._settled(outcome)

    def _flush_if_done(self) -> None:
        if not self._unsettled:
            self._flush()
            if self._stopping:
                self._ended.set()

    def _flush(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            self._deliver(batch)

    def _drop(self, connection: Connection) -> None:
        line: Line = connection.line
        line.connections.discard(connection)
        if connection in line.idle:
            line.idle.remove(connection)
        connection.close()

    async def _keep_clock(self) -> None:
        """Twenty times a second: what is due again, what took too long, what can be told."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            while self._delayed and self._delayed[0][0] <= now:
                _due, _number, line, attempt = heapq.heappop(self._delayed)
                line.waiting.appendleft(attempt)
            for line in self._lines.values():
                self._end_late(line, now)
            self._pump_all()
            self._flush()

    def _end_late(self, line: Line, now: float) -> None:
        if line.stopped and line.waiting:
            self._abandon(line)
        for connection in tuple(line.connections):
            if connection.load is not None and now - connection.started > self._limits.timeout_seconds:
                attempt, connection.load = connection.load, None
                self._drop(connection)
                self._settle(line, attempt, _unanswered(line), now)


def _unanswered(line: Line) -> Answer:
    return Answer(Kind.UNANSWERED, f"no answer from {line.endpoint.url}")
