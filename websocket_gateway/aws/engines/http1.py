"""One kept-alive HTTP/1.1 connection, one request in flight on it, over plain TCP or TLS.

The request comes as bytes. httptools reads the response whatever its framing: by length, chunked, or up to
the end of the connection. TLS is stdlib's, over memory buffers: asyncio's own TLS protocol sets 256 KB aside
for each connection, and takes as much time as everything else here together. RFC 9112, RFC 8446.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Generic, Protocol, TypeVar, cast

import httptools

from websocket_gateway.aws.engines.retries import Attempt
from websocket_gateway.no_fork import no_fork

_ERROR_TYPE = b"x-amzn-errortype"
Queue = TypeVar("Queue")


class Owner(Protocol[Queue]):
    """Gets the responses of its connections, and their ends. All calls come from the event loop."""

    buffer: memoryview
    """Where all connections of a loop receive, one after the other."""

    def answered(self, connection: Connection[Queue], status: int, code: str) -> None:
        """A response was read to its end; `connection.reusable` says whether another request may follow."""
        ...

    def lost(self, connection: Connection[Queue]) -> None:
        """The connection ended; with an `attempt`, without a response to its request."""
        ...


class Connection(asyncio.BufferedProtocol, Generic[Queue]):
    """The protocol of one socket that serves `queue`."""

    def __init__(self, owner: Owner[Queue], queue: Queue) -> None:
        self._owner = owner
        self._buffer = owner.buffer
        self._parser = httptools.HttpResponseParser(self)
        self._transport = cast("asyncio.Transport", None)
        self._status = 0
        self._code = ""
        self._complete = self._surplus = self._keep_alive = False
        self.queue = queue
        self.attempt: Attempt | None = None
        """What the request in flight is for; None while the connection is idle."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when a request may be sent; an `OSError` if that never happens."""
        self.reusable = True
        self.closed = False
        self.served = 0
        """Responses that came over this connection."""
        self.started = 0.0
        """When the request in flight was sent, by the owner's clock."""

    def send(self, request: bytes, attempt: Attempt, now: float) -> None:
        """Send one request; the connection must be ready and idle."""
        self.attempt, self.started = attempt, now
        self._status, self._code = 0, ""
        self._write(request)

    def close(self) -> None:
        """End the connection at once, without a further call to the owner."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self.ready.set_result(None)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to receive; its content is used up before another connection receives."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what was received."""
        self._feed(self._buffer[:nbytes])

    def eof_received(self) -> None:
        """Let the transport close: a peer that sends nothing more does not respond either."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Report it; a response without a length ends with its connection, anything else is a loss."""
        if not self.ready.done():
            self.ready.set_exception(
                exc if isinstance(exc, OSError) else ConnectionResetError("closed early")
            )
            self.ready.exception()  # seen: the task that waited may have given up
        if self.closed:
            return
        if self.attempt is not None and self._status:
            self._finish(reusable=False)
        self._end()

    # What httptools calls

    def on_message_begin(self) -> None:
        """Note a second response to one request: such a peer gets no further request."""
        self._surplus = self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the name of the error; `GoneException:http://…` is seen as well as `GoneException`."""
        if len(name) == len(_ERROR_TYPE) and name.lower() == _ERROR_TYPE and not self._surplus:
            self._code = value.partition(b":")[0].decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        """Keep the status, of the final response only: 1xx announce it."""
        status = self._parser.get_status_code()
        if not self._surplus:
            self._status = 0 if status < 200 else status

    def on_message_complete(self) -> None:
        """Note the end of a response, and what only holds until the parser returns."""
        self._complete = self._complete or bool(self._status)
        self._keep_alive = self._parser.should_keep_alive()

    # The steps between

    def _write(self, data: bytes) -> None:
        self._transport.write(data)

    def _feed(self, data: bytes | memoryview) -> None:
        """Feed the parser; a complete response is reported afterwards, so that no request overtakes it."""
        if self.attempt is None:
            # Not requested: a last response such as 408, or a broken peer.
            return self._end()
        try:
            self._parser.feed_data(data)
            reusable = self._keep_alive and not self._surplus
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            reusable = False
            if not self._complete:
                return self._end()
        if self._complete:
            self._finish(reusable=reusable)
        return None

    def _finish(self, *, reusable: bool) -> None:
        self._complete = self._surplus = False
        self.served += 1
        self.reusable = reusable
        self._owner.answered(self, self._status, self._code)

    def _end(self) -> None:
        if not self.closed:
            self.close()
            self._owner.lost(self)


class SecureConnection(Connection[Queue]):
    """A connection over TLS."""

    def __init__(
        self, owner: Owner[Queue], queue: Queue, *, context: ssl.SSLContext, server_hostname: str
    ) -> None:
        super().__init__(owner, queue)
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        with no_fork:
            self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=server_hostname)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        with no_fork:
            self._shake_hands()

    def buffer_updated(self, nbytes: int) -> None:
        """Decrypt what was received, and parse it."""
        with no_fork:
            self._received.write(self._buffer[:nbytes])
            if not self.ready.done():
                self._shake_hands()
            elif not self.closed:
                self._decrypt()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as exc:
            self._flush()  # the alert says why
            self.ready.set_exception(exc)
            self.ready.exception()
            self.close()
        else:
            self._flush()
            self.ready.set_result(None)

    def _decrypt(self) -> None:
        try:
            # What was received has been copied, so the buffer is free for the plain text. (`read` returns a
            # number when it is given a buffer, which its type does not say.)
            while length := int(self._tls.read(len(self._buffer), self._buffer)):
                self._feed(self._buffer[:length])
                # Another read when nothing is there would cost an exception for every response.
                if self.closed or not (self._received.pending or self._tls.pending()):
                    return None
        except ssl.SSLWantReadError:
            return self._flush()
        except ssl.SSLError:
            return self._fail()
        return self._fail()  # the peer closed the TLS session

    def _fail(self) -> None:
        """End; a response without a length is complete now."""
        if self.attempt is not None and self._status and not self.closed:
            self._finish(reusable=False)
        self._end()

    def _write(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def _flush(self) -> None:
        if self._to_send.pending:
            self._transport.write(self._to_send.read())
