"""HTTP/1 requests written byte by byte, because no client library sends what an attacker sends."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

Change = Callable[["RawRequest"], "RawRequest"]
_ANSWER_SECONDS = 20.0
_SILENCE_SECONDS = 0.5
"""How long nothing may come after the first byte of an answer, or at all if the request is not complete."""


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


@dataclass(frozen=True)
class RawRequest:
    """One request. Nothing is checked, corrected or added, except `Content-Length` and `Connection`."""

    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    method: bytes = b"POST"
    version: bytes = b"HTTP/1.1"
    framing: bytes | None = None
    """The lines that say how long the body is; None for a right `Content-Length`."""
    complete: bool = True
    """Whether the server has everything that it may wait for."""

    def encode(self) -> bytes:
        framing = b"Content-Length: %d\r\n" % len(self.body) if self.framing is None else self.framing
        lines = b"".join(b"%s: %s\r\n" % header for header in self.headers)
        start = b" ".join(filter(None, (self.method, self.target, self.version)))
        return start + b"\r\n" + lines + framing + b"Connection: close\r\n\r\n" + self.body

    def filled(self, values: dict[str, str]) -> RawRequest:
        """The same with `{name}` replaced by a value, in every part."""

        def fill(text: bytes) -> bytes:
            for name, value in values.items():
                text = text.replace(b"{%s}" % name.encode(), value.encode())
            return text

        return replace(
            self,
            target=fill(self.target),
            headers=tuple((fill(name), fill(value)) for name, value in self.headers),
            body=fill(self.body),
            framing=None if self.framing is None else fill(self.framing),
        )


@dataclass(frozen=True)
class RawAnswer:
    """Everything that came back until the connection was closed, maybe nothing."""

    raw: bytes

    @property
    def statuses(self) -> list[int]:
        """The status of each response."""
        return [int(found) for found in re.findall(rb"HTTP/1\.[01] (\d{3})[ \r]", self.raw)]

    @property
    def status(self) -> int:
        """The first status; 0 for a connection that was closed without an answer."""
        return self.statuses[0] if self.statuses else 0

    @property
    def body(self) -> bytes:
        """What follows the first head."""
        return self.raw.partition(b"\r\n\r\n")[2]


def exchange(port: int, request: RawRequest) -> RawAnswer:
    """Send one request over a connection of its own, and read until the server closes it."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_ANSWER_SECONDS) as connection:
        with suppress(OSError):  # a server may refuse and close before it has read everything
            connection.sendall(request.encode())
        if not request.complete:
            connection.settimeout(_SILENCE_SECONDS)
        with suppress(OSError):
            while data := connection.recv(65_536):
                received += data
                connection.settimeout(_SILENCE_SECONDS if b"\r\n\r\n" in received else _ANSWER_SECONDS)
    return RawAnswer(received)


# Changes, to be combined by `both`.


def drop(name: str) -> Change:
    """Leave a header out."""
    lower = name.lower().encode()
    return lambda request: replace(
        request, headers=tuple(pair for pair in request.headers if pair[0].lower() != lower)
    )


def put(name: str, value: str | bytes) -> Change:
    """Give a header this value alone."""
    return both(drop(name), add(name, value))


def add(name: str | bytes, value: str | bytes) -> Change:
    """One more header, behind all others."""
    pair = (_bytes(name), _bytes(value))
    return lambda request: replace(request, headers=(*request.headers, pair))


def add_first(name: str | bytes, value: str | bytes) -> Change:
    """One more header, before all others."""
    pair = (_bytes(name), _bytes(value))
    return lambda request: replace(request, headers=(pair, *request.headers))


def rename(name: str, other: str) -> Change:
    """Send the value of a header under another name."""
    lower, new = name.lower().encode(), other.encode()
    return lambda request: replace(
        request,
        headers=tuple((new if key.lower() == lower else key, value) for key, value in request.headers),
    )


def line(method: str | None = None, target: str | bytes | None = None, version: str | None = None) -> Change:
    """Another first line."""

    def change(request: RawRequest) -> RawRequest:
        return replace(
            request,
            method=request.method if method is None else method.encode(),
            target=request.target if target is None else _bytes(target),
            version=request.version if version is None else version.encode(),
        )

    return change


def framed(lines: str, body: str | bytes | None = None, *, complete: bool = False) -> Change:
    """Another length: `lines` as they are to be sent, and maybe another body."""

    def change(request: RawRequest) -> RawRequest:
        changed = request.body if body is None else _bytes(body)
        return replace(request, framing=lines.encode(), body=changed, complete=complete)

    return change


def both(*changes: Change) -> Change:
    """Several changes, one after the other."""

    def change(request: RawRequest) -> RawRequest:
        for each in changes:
            request = each(request)
        return request

    return change
