"""The engine that posts over its own HTTP/1.1 connections, from an event loop in a thread of its own.

The thread that sends (and queries the database) puts pages in and takes outcomes out; the loop uses no ORM.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue

from websocket_gateway.aws.credentials import Credentials
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Limits, Outcome, Recipient
from websocket_gateway.aws.engines.sender import Sender
from websocket_gateway.aws.engines.signing import Payload, Signer
from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError
from websocket_gateway.log_records import get_logger
from websocket_gateway.no_fork import join
from websocket_gateway.tenants import for_another_thread

logger = get_logger(__name__)

# Recipients put in and not begun, beyond those that wait for another attempt.
_MAX_WAITING = 3_000
# With more of them waiting for another attempt, no further page is taken.
_MAX_DELAYED = 5_000
# boto3 renews temporary credentials ten minutes before they expire at the latest.
_CREDENTIALS_SECONDS = 60.0


class AsyncioEngine:
    """`Engine` over `asyncio.Protocol`, stdlib `ssl` and httptools; uvloop where it is installed.

    `credentials` is called once per page, and once per minute while a page lasts, so that a run can last
    longer than temporary credentials. Its error for the first page is raised by `send`. A later one is
    logged, and the old credentials stay in use.
    """

    name = "asyncio"

    def __init__(self, *, limits: Limits, ca_bundle: str, credentials: Callable[[], Credentials]) -> None:
        self._credentials = credentials
        self._used: Credentials | None = None
        self._renewed_at = 0.0
        self._signers: dict[ManagementEndpoint, Signer] = {}
        self._payload = Payload(b"")
        self._ready: deque[Outcome] = deque()
        self._wake: SimpleQueue[BaseException | None] = SimpleQueue()
        self._outstanding = 0
        self._loop = new_event_loop()
        self._loop.set_exception_handler(self._failed)
        self._sender = Sender(limits=limits, ca_bundle=ca_bundle, deliver=self._deliver)
        self._thread = threading.Thread(
            target=for_another_thread(self._run), name="websocket-gateway-send", daemon=True
        )
        self._thread.start()

    def set_pace(self, max_per_second: float) -> None:
        """See `Engine.set_pace`."""
        self._loop.call_soon_threadsafe(self._sender.set_pace, max_per_second)

    def send(self, page: Iterable[Recipient], data: bytes) -> Iterator[Outcome]:
        """See `Engine.send`."""
        if data is not self._payload.data:
            self._payload = Payload(data)
        recipients = list(page)
        if not recipients:
            return
        signers = self._signers_for(recipients)
        self._outstanding += len(recipients)
        self._loop.call_soon_threadsafe(self._sender.take, recipients, signers, self._payload)
        while self._is_full() or self._ready or not self._wake.empty():
            yield from self._next()

    def drain(self) -> Iterator[Outcome]:
        """See `Engine.drain`."""
        while self._outstanding:
            yield from self._next()

    def stop(self) -> Iterator[Outcome]:
        """See `Engine.stop`; waits for the posts in flight, one attempt's time-out at most."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._sender.stop)
            join(self._thread)
            self._loop.close()
        while self._ready or not self._wake.empty():
            try:
                yield from self._next()
            except Exception:  # noqa: BLE001 - what broke the run has been raised already
                logger.debug(
                    "After the end of the sending loop.", exc_info=True, extra={"event": "after_end"}
                )

    def _is_full(self) -> bool:
        delayed = self._sender.delayed
        return delayed > _MAX_DELAYED or self._outstanding - delayed > _MAX_WAITING

    def _next(self) -> Iterator[Outcome]:
        """Wait for outcomes, and give them one by one: after an interrupt the rest comes out of `stop`."""
        if not self._ready:
            self._renew()
            if (error := self._wake.get()) is not None:
                raise error
        while self._ready:
            self._outstanding -= 1
            yield self._ready.popleft()

    def _signers_for(self, recipients: list[Recipient]) -> dict[ManagementEndpoint, Signer]:
        """Signers for new endpoints, and new ones for all if the credentials changed."""
        # By identity first: a page has thousands of recipients and a handful of endpoints.
        endpoints = set({id(to.endpoint): to.endpoint for to in recipients}.values())
        before, current = self._used, self._current_credentials()
        known: set[ManagementEndpoint] = set() if current != before else set(self._signers)
        wanted = (endpoints | self._signers.keys()) - known
        made = {endpoint: Signer(endpoint.url, endpoint.region, current) for endpoint in wanted}
        self._signers.update(made)
        return made

    def _current_credentials(self) -> Credentials:
        self._renewed_at = time.monotonic()
        try:
            self._used = self._credentials()
        except (WebSocketGatewayError, ConfigurationError):
            if self._used is None:
                raise
            logger.warning(
                "The credentials cannot be renewed; the old ones stay in use.",
                exc_info=True,
                extra={"event": "credentials_kept"},
            )
        return self._used

    def _renew(self) -> None:
        """Get the credentials again while a page takes long: at a slow pace it outlives them."""
        if time.monotonic() - self._renewed_at >= _CREDENTIALS_SECONDS:
            signers = self._signers_for([])
            self._loop.call_soon_threadsafe(self._sender.sign_with, signers)

    def _deliver(self, outcomes: list[Outcome]) -> None:
        # The outcomes are not in the queue that wakes the other thread: Ctrl-C may lose what a `get` returns.
        self._ready.extend(outcomes)
        self._wake.put(None)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._sender.run())
        except BaseException as exc:  # noqa: BLE001 - passed to the thread that waits for outcomes
            self._wake.put(exc)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        error = context.get("exception")
        known = error if isinstance(error, BaseException) else None
        logger.error(
            "The sending loop: %s", context.get("message"), exc_info=known, extra={"event": "loop_failed"}
        )
        if known is not None:
            self._wake.put(known)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, with the extra `fast` installed, else asyncio's own."""
    try:
        import uvloop  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
