"""The event loop's side of the asyncio engine: lanes, connections, clocks. All of it runs in one thread."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Limits, Outcome, Pace, Recipient
from websocket_gateway.aws.engines.dialing import Dialer
from websocket_gateway.aws.engines.endpoint_queue import Attempt, Lane
from websocket_gateway.aws.engines.http1 import Connection
from websocket_gateway.aws.engines.outcomes import Answer, Kind, answer_of_status
from websocket_gateway.aws.engines.retries import Ledger
from websocket_gateway.aws.engines.signing import Payload, Signer

_TICK_SECONDS = 0.05
_RECEIVE_BYTES = 65_536
# Shorter pauses would only wake the loop more often; the pace catches up within its burst.
_SHORTEST_PAUSE_SECONDS = 0.005


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
        self._ledger = Ledger(deliver=deliver, on_empty=self._end_if_stopping)
        self._pace = Pace(limits.max_per_second)
        self._paused = False
        self._lines: dict[ManagementEndpoint, Line] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._payload = Payload(b"")
        self._share = limits.concurrency
        self.buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._ended = asyncio.Event()
        self._stopping = False

    @property
    def delayed(self) -> int:
        """How many wait for another attempt. May be read from any thread."""
        return self._ledger.delayed

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
        self._ledger.expect(len(page))
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
        self._ledger.stop(self._lines.values())

    def _end_if_stopping(self) -> None:
        if self._stopping:
            self._ended.set()

    # What connections tell

    def answered(self, connection: Connection, status: int, code: str) -> None:
        """Settle the recipient, and send to the next one over the same connection."""
        line: Line = connection.line
        attempt: Attempt = connection.load
        connection.load = None
        now = time.monotonic()
        if status == 200:
            self._ledger.settled(line.delivered(attempt, now))
        else:
            self._ledger.settle(line, attempt, answer_of_status(status, code, line.endpoint), now)
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
            self._ledger.settle(line, attempt, _unanswered(line), time.monotonic())
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
            self._ledger.settle(line, attempt, Answer(Kind.REFUSED, str(exc)), now)
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
        except (OSError, ValueError, asyncio.TimeoutError):  # ValueError: what cannot be a host's name
            pass
        else:
            line.connections.add(connection)
            if connection.closed:
                line.connections.discard(connection)
            else:
                return self._post(connection, attempt, time.monotonic())
        self._ledger.settle(line, attempt, answer, time.monotonic())
        self._pump(line)
        return None

    # Ending

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
            self._ledger.wake(now)
            for line in self._lines.values():
                self._end_late(line, now)
            self._pump_all()
            self._ledger.flush()

    def _end_late(self, line: Line, now: float) -> None:
        if line.stopped and line.waiting:
            self._ledger.abandon(line)
        for connection in tuple(line.connections):
            if connection.load is not None and now - connection.started > self._limits.timeout_seconds:
                attempt, connection.load = connection.load, None
                self._drop(connection)
                self._ledger.settle(line, attempt, _unanswered(line), now)


def _unanswered(line: Line) -> Answer:
    return Answer(Kind.UNANSWERED, f"no answer from {line.endpoint.url}")
