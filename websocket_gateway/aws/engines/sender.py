"""The event loop's side of the asyncio engine: queues, connections, clocks. All of it runs in one thread."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable

from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Limits, Outcome, Recipient
from websocket_gateway.aws.engines.dialing import Dialer
from websocket_gateway.aws.engines.http1 import Connection
from websocket_gateway.aws.engines.outcomes import Answer, Kind, OutcomeBuffer, answer_of_status, unanswered
from websocket_gateway.aws.engines.retries import Attempt, EndpointQueue, Retries, share_of
from websocket_gateway.aws.engines.signing import Payload, Signer
from websocket_gateway.aws.pacing import Pace

_TICK_SECONDS = 0.05
_RECEIVE_BYTES = 65_536
# Shorter pauses would only wake the loop more often; the pace catches up within its burst.
_SHORTEST_PAUSE_SECONDS = 0.005


class PostQueue(EndpointQueue):
    """The queue of an endpoint with the connections that serve it."""

    def __init__(self, signer: Signer, endpoint: ManagementEndpoint, ca_bundle: str, limits: Limits) -> None:
        super().__init__(endpoint, limits)
        self.signer = signer
        self.dialer = Dialer(endpoint.url, ca_bundle=ca_bundle)
        self.connections: set[Connection[PostQueue]] = set()
        self.idle: list[Connection[PostQueue]] = []


class Sender:
    """Posts what it is given; `deliver` gets the outcomes in batches, from the loop's thread."""

    def __init__(self, *, limits: Limits, ca_bundle: str, deliver: Callable[[list[Outcome]], None]) -> None:
        self._limits = limits
        self._ca_bundle = ca_bundle
        self._outcomes = OutcomeBuffer(deliver=deliver, on_empty=self._end_if_stopping)
        self._retries: Retries[PostQueue] = Retries()
        self._pace = Pace(limits.max_per_second)
        self._paused = False
        self._queues: dict[ManagementEndpoint, PostQueue] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._payload = Payload(b"")
        self._share = limits.concurrency
        self.buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._ended = asyncio.Event()
        self._stopping = False

    @property
    def delayed(self) -> int:
        """How many wait for another attempt. May be read from any thread."""
        return len(self._retries)

    async def run(self) -> None:
        """Keep the clock until `stop`, then close every connection."""
        clock = asyncio.get_running_loop().create_task(self._keep_clock())
        try:
            await self._ended.wait()
        finally:
            tasks = [clock, *self._opening]
            for task in tasks:
                task.cancel()
            for queue in self._queues.values():
                for connection in tuple(queue.connections):
                    connection.close()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)  # lets the transports end

    def take(
        self, page: list[Recipient], signers: dict[ManagementEndpoint, Signer], payload: Payload
    ) -> None:
        """Take a page, with the signers to use from now on."""
        self._payload = payload
        self._outcomes.expect(len(page))
        self.sign_with(signers)
        queue = next(iter(self._queues.values()))
        for recipient in page:
            if recipient.endpoint is not queue.endpoint:
                queue = self._queues[recipient.endpoint]
            queue.waiting.append(Attempt(recipient))
        self._pump_all()

    def sign_with(self, signers: dict[ManagementEndpoint, Signer]) -> None:
        """Use these signers from now on."""
        for endpoint, signer in signers.items():
            if endpoint in self._queues:
                self._queues[endpoint].signer = signer
            else:
                self._queues[endpoint] = PostQueue(signer, endpoint, self._ca_bundle, self._limits)

    def set_pace(self, max_per_second: float) -> None:
        """Go on at another pace."""
        self._pace.change(max_per_second)
        self._resume()

    def stop(self) -> None:
        """Begin nothing more; `run` ends once what is under way has ended."""
        self._stopping = True
        waiting = len(self._retries) + sum(len(queue.waiting) for queue in self._queues.values())
        begun = self._retries.stop(self._queues.values())
        self._outcomes.extend(begun)
        self._outcomes.expect(len(begun) - waiting)

    def _end_if_stopping(self) -> None:
        if self._stopping:
            self._ended.set()

    def _settle(self, queue: PostQueue, attempt: Attempt, answer: Answer, now: float) -> None:
        self._outcomes.extend(self._retries.settle(queue, attempt, answer, now))

    # What connections call

    def answered(self, connection: Connection[PostQueue], status: int, code: str) -> None:
        """Settle the recipient, and send to the next one over the same connection."""
        queue, attempt = connection.queue, connection.attempt
        connection.attempt = None
        now = time.monotonic()
        if attempt is not None:
            if status == 200:
                self._outcomes.add(queue.delivered(attempt, now))
            else:
                self._settle(queue, attempt, answer_of_status(status, code, queue.endpoint), now)
        if not connection.reusable:
            self._drop(connection)
            self._pump(queue)
        elif queue.may_begin(self._share) and self._may_go(now):
            self._post(connection, queue.begin(now), now)
        else:
            queue.idle.append(connection)

    def lost(self, connection: Connection[PostQueue]) -> None:
        """Send again at once what went out on a connection that was dead; else count it as unanswered."""
        queue, attempt = connection.queue, connection.attempt
        connection.attempt = None
        self._drop(connection)
        if attempt is None:
            return
        if connection.served and not attempt.resent and not queue.stopped:
            attempt.resent = True
            attempt.retries += 1
            queue.in_flight -= 1
            queue.waiting.appendleft(attempt)
        else:
            self._settle(queue, attempt, unanswered(queue.endpoint), time.monotonic())
        self._pump(queue)

    # Beginning

    def _pump_all(self) -> None:
        self._share = share_of(self._limits.concurrency, self._queues.values())
        for queue in self._queues.values():
            self._pump(queue)

    def _pump(self, queue: PostQueue) -> None:
        now = time.monotonic()
        while queue.may_begin(self._share) and self._may_go(now):
            attempt = queue.begin(now)
            if queue.idle:
                self._post(queue.idle.pop(), attempt, now)
            else:
                task = asyncio.get_running_loop().create_task(self._open(queue, attempt))
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

    def _post(self, connection: Connection[PostQueue], attempt: Attempt, now: float) -> None:
        queue = connection.queue
        try:
            request = queue.signer.request(attempt.recipient.connection_id, self._payload)
        except ValueError as exc:
            queue.idle.append(connection)
            self._settle(queue, attempt, Answer(Kind.REFUSED, str(exc)), now)
            return
        connection.send(request, attempt, now)

    async def _open(self, queue: PostQueue, attempt: Attempt) -> None:
        answer = unanswered(queue.endpoint)
        try:
            connecting = queue.dialer.connect(self, queue)
            connection = await asyncio.wait_for(connecting, self._timeout(attempt, time.monotonic()))
        except ssl.SSLCertVerificationError as exc:
            queue.stopped = (
                f"the certificate of {queue.endpoint.url} is not trusted ({exc.verify_message}); "
                "AWS_CA_BUNDLE names the certificates to trust"
            )
            answer = Answer(Kind.REFUSED, queue.stopped)
        except (OSError, ValueError, asyncio.TimeoutError):  # ValueError: what cannot be a host's name
            pass
        else:
            if not connection.closed:
                queue.connections.add(connection)
                self._post(connection, attempt, time.monotonic())
                return
        self._settle(queue, attempt, answer, time.monotonic())
        self._pump(queue)

    # Ending

    def _drop(self, connection: Connection[PostQueue]) -> None:
        queue = connection.queue
        queue.connections.discard(connection)
        if connection in queue.idle:
            queue.idle.remove(connection)
        connection.close()

    async def _keep_clock(self) -> None:
        """Twenty times a second: begin what is due again, end what took too long, deliver outcomes."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            self._retries.wake(now)
            for queue in self._queues.values():
                self._end_late(queue, now)
            self._pump_all()
            self._outcomes.flush()

    def _end_late(self, queue: PostQueue, now: float) -> None:
        if queue.stopped and queue.waiting:
            self._outcomes.extend(self._retries.abandon(queue))
        for connection in tuple(queue.connections):
            attempt = connection.attempt
            if attempt is not None and now - connection.started > self._timeout(attempt, connection.started):
                connection.attempt = None
                self._drop(connection)
                self._settle(queue, attempt, unanswered(queue.endpoint), now)

    def _timeout(self, attempt: Attempt, started: float) -> float:
        """The seconds that an answer may take from `started` on."""
        timeout = self._limits.timeout_seconds
        return min(timeout, attempt.deadline - started) if self._limits.urgent else timeout
