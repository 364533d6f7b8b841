"""One kept-alive HTTP/1.1 connection, one request in flight on it.

The request comes as bytes, the answer is read by httptools whatever its framing: by length, chunked, or up to
the end of the connection. RFC 9112.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

import httptools

_ERROR_TYPE = b"x-amzn-errortype"


class Owner(Protocol):
    """Who is told how a connection fares. All calls come from the event loop."""

    def answered(self, connection: Connection, status: int, code: str) -> None:
        """An answer was read to its end; `connection.reusable` says whether another request may follow."""
        ...

    def lost(self, connection: Connection) -> None:
        """The connection ended; if it was `busy`, without an answer to its request."""
        ...


class Connection(asyncio.Protocol):
    """The protocol of one socket; on `line` and `load` hangs what the socket and its request are for."""

    __slots__ = (
        "_code",
        "_complete",
        "_keep_alive",
        "_owner",
        "_parser",
        "_status",
        "_surplus",
        "_transport",
        "closed",
        "line",
        "load",
        "reusable",
        "served",
        "started",
    )

    def __init__(self, owner: Owner, line: Any) -> None:
        self._owner = owner
        self.line = line
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._status = 0
        self._code = ""
        self._complete = self._surplus = self._keep_alive = False
        self.load: Any = None
        """What the request in flight is for; None while the connection is idle."""
        self.reusable = True
        self.closed = False
        self.served = 0
        """Answers that came over this connection."""
        self.started = 0.0
        """When the request in flight was sent, by the owner's clock."""

    def send(self, request: bytes, load: Any, now: float) -> None:
        """Send one request; the connection must be open and idle."""
        self.load, self.started = load, now
        self._status, self._code = 0, ""
        cast("asyncio.Transport", self._transport).write(request)

    def close(self) -> None:
        """End the connection at once; the owner is told nothing more."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what came to its end is told only afterwards, so that no request overtakes it."""
        if self.load is None:
            # Nobody asked: a farewell such as 408, or a broken peer.
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

    def eof_received(self) -> None:
        """Let the transport close: whoever sends nothing more will not answer either."""

    def connection_lost(self, exc: Exception | None) -> None:
        """An answer without a length ends with its connection; anything else is a loss."""
        if self.closed:
            return
        if self.load is not None and self._status:
            self._finish(reusable=False)
        self._end()

    # What httptools calls

    def on_message_begin(self) -> None:
        """Note a second answer to one request: such a peer gets no further one."""
        self._surplus = self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the name of the error; `GoneException:http://…` is seen as well as `GoneException`."""
        if name.lower() == _ERROR_TYPE:
            self._code = value.partition(b":")[0].decode("latin-1").strip()

    def on_headers_complete(self) -> None:
        """Keep the status, of the final answer only: 1xx announce it."""
        status = self._parser.get_status_code()
        self._status = 0 if status < 200 else status

    def on_message_complete(self) -> None:
        """Note the end of an answer, and what only holds until the parser returns."""
        self._complete = bool(self._status)
        self._keep_alive = self._parser.should_keep_alive()

    def _finish(self, *, reusable: bool) -> None:
        self._complete = self._surplus = False
        self.served += 1
        self.reusable = reusable
        self._owner.answered(self, self._status, self._code)

    def _end(self) -> None:
        if not self.closed:
            self.close()
            self._owner.lost(self)
