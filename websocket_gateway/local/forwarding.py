"""The HTTP client for the backend: asyncio, keep-alive, never sends a request twice.

The alternative, urllib3 in a pool of threads, reached 780 to 920 messages per second on two cores with 50
sockets and needed one thread per slow handler. This client reaches several thousand without threads.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import cast

import httptools

from websocket_gateway.local.mapping import BackendRequest

MAX_RESPONSE_BYTES = 10 * 1024 * 1024
Origin = tuple[str, str, int]


class BackendError(Exception):
    """The backend could not be reached, or its response is not valid HTTP."""


class BackendTimeoutError(BackendError):
    """The backend did not respond within the timeout of the integration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendResponse:
    """The response of the backend."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def header(self, name: str) -> str | None:
        """Return the first header of that name, if there is one."""
        return next((value for key, value in self.headers if key.lower() == name), None)


class _Connection(asyncio.Protocol):
    """One connection to the backend, for one request at a time."""

    def __init__(self) -> None:
        # Set by `connection_made`, before `create_connection` returns the connection.
        self.transport: asyncio.Transport
        self.idle_since = 0.0
        self.closed = False
        self._response: asyncio.Future[BackendResponse] | None = None
        self._reset("")

    def _reset(self, method: str) -> None:
        self._method = method
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._started = False
        self._last = False
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    async def send(self, request: BackendRequest) -> BackendResponse:
        self._reset(request.method)
        self._response = asyncio.get_running_loop().create_future()
        self.transport.write(_encode(request))
        return await self._response

    @property
    def reusable(self) -> bool:
        return not self.closed and not self._last and self._response is None

    @property
    def quiet(self) -> bool:
        """Whether no data is waiting that the event loop has not read yet, such as the end of the stream."""
        if not hasattr(select, "poll"):  # Windows
            return True
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        self.closed = True
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._response is None:
            # Data without a request: it could be taken for the response to the next request.
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as exc:
            self._fail(f"not a valid HTTP response: {exc}")

    def eof_received(self) -> bool:
        # A response without a length ends with the connection.
        length = next((value for name, value in self._headers if name.lower() == "content-length"), None)
        chunked = any(name.lower() == "transfer-encoding" for name, _ in self._headers)
        if self._started and length is None and not chunked:
            self._last = True
            self._finish()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._fail("the connection was closed before the response was complete")

    # httptools calls the following methods while it parses.
    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._started = self._parser.get_status_code() >= 200
        if not self._started:
            self._headers = []
        elif self._method == "HEAD":
            self._last = True
            self._finish()

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > MAX_RESPONSE_BYTES:
            self._fail(f"the response is larger than {MAX_RESPONSE_BYTES} bytes")

    def on_message_complete(self) -> None:
        if self._started:
            self._last = not self._parser.should_keep_alive()
            self._finish()

    def _finish(self) -> None:
        if self._response is None:
            return
        response, self._response = self._response, None
        if not response.done():
            status = self._parser.get_status_code()
            response.set_result(
                BackendResponse(status=status, headers=tuple(self._headers), body=bytes(self._body))
            )

    def _fail(self, problem: str) -> None:
        if self._response is None:
            return
        response, self._response = self._response, None
        if not response.done():
            response.set_exception(BackendError(problem))
        self.close()


def _encode(request: BackendRequest) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/1.1".encode("ascii", "replace")]
    lines += [f"{name}: {value}".encode("latin-1", "replace") for name, value in request.headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body


@dataclass(slots=True, kw_only=True)
class Forwarder:
    """Sends requests to the backend, in parallel; with `serialize`, one at a time."""

    keep_alive: float = 1.0
    serialize: bool = False
    _idle: dict[Origin, deque[_Connection]] = field(default_factory=lambda: defaultdict(deque))
    _serial: asyncio.Lock | None = None
    _tls: ssl.SSLContext | None = None

    async def forward(self, request: BackendRequest) -> BackendResponse:
        """Send the request once; return any response, even a redirect. Raise `BackendError` on failure."""
        if not self.serialize:
            return await self._exchange_in_time(request)
        if self._serial is None:
            self._serial = asyncio.Lock()
        async with self._serial:
            return await self._exchange_in_time(request)

    async def _exchange_in_time(self, request: BackendRequest) -> BackendResponse:
        try:
            return await asyncio.wait_for(self._exchange(request), request.timeout)
        except asyncio.TimeoutError:
            raise BackendTimeoutError(f"no response within {request.timeout:g} s") from None
        except (OSError, UnicodeError) as exc:  # UnicodeError: the host is not a valid host name
            raise BackendError(f"cannot reach {request.host}:{request.port}: {exc}") from exc

    async def _exchange(self, request: BackendRequest) -> BackendResponse:
        origin = (request.scheme, request.host, request.port)
        connection = self._take(origin) or await self._open(origin)
        try:
            response = await connection.send(request)
        except BaseException:
            connection.close()
            raise
        self._release(origin, connection)
        return response

    def _take(self, origin: Origin) -> _Connection | None:
        """Return a connection that was used recently, if there is one.

        The backend may be closing an older one. It would be unknown whether it received the request, so older
        connections are not used.
        """
        idle = self._idle[origin]
        oldest_usable = asyncio.get_running_loop().time() - self.keep_alive
        while idle and idle[0].idle_since < oldest_usable:
            idle.popleft().close()
        while idle:
            connection = idle.pop()
            if connection.reusable and connection.quiet:
                return connection
            connection.close()
        return None

    def _release(self, origin: Origin, connection: _Connection) -> None:
        if self.serialize or self.keep_alive <= 0 or not connection.reusable:
            connection.close()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle[origin].append(connection)

    async def _open(self, origin: Origin) -> _Connection:
        scheme, host, port = origin
        if scheme == "https" and self._tls is None:
            self._tls = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            _Connection, host, port, ssl=self._tls if scheme == "https" else None
        )
        return connection

    def sweep(self) -> None:
        """Close connections that were idle for too long, which occupy threads of the backend."""
        oldest_usable = asyncio.get_running_loop().time() - self.keep_alive
        for idle in self._idle.values():
            while idle and idle[0].idle_since < oldest_usable:
                idle.popleft().close()

    def close(self) -> None:
        """Close every idle connection."""
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
