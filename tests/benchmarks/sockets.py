"""WebSocket clients for load: little Python for each frame, so that the server is what is measured."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from urllib.parse import urlsplit


class Socket(asyncio.Protocol):
    """One client. Text frames go to `on_text`; pings are answered."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._buffer = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_text: Callable[[bytes], None] = lambda text: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read the answer to the handshake, then frames."""
        self._buffer += data
        if not self.opened.done():
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            if b" 101 " not in head.split(b"\r\n")[0]:
                self.opened.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self._buffer = rest
            self.opened.set_result(None)
        while self._read_frame():
            pass

    def _read_frame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        start, length = 2, buffer[1] & 0x7F
        if length >= 126:
            start = 4 if length == 126 else 10
            length = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + length:
            return False
        payload, self._buffer = buffer[start : start + length], buffer[start + length :]
        opcode = buffer[0] & 0x0F
        if opcode == 1:
            self.on_text(payload)
        elif opcode == 9:
            self._write(0x8A, payload)
        return True

    def send(self, text: bytes) -> None:
        """Send a text frame."""
        self._write(0x81, text)

    def _write(self, first: int, payload: bytes) -> None:
        size = len(payload)
        assert size < 65_536
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        # A mask of zeros is a mask, and needs no work.
        self._transport.write(bytes([first]) + length + b"\0\0\0\0" + payload)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the opening, or tell who waits for an answer."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed during the handshake"))
        self.on_text(b"the server has closed the connection")

    def close(self) -> None:
        """Close the connection with a close frame."""
        self.on_text = lambda text: None
        self._write(0x88, b"\x03\xe8")
        self._transport.close()


async def open_sockets(url: str, number: int, **headers: str) -> list[Socket]:
    """Open that many sockets, ten at a time."""
    sockets: list[Socket] = []
    while len(sockets) < number:
        batch = min(10, number - len(sockets))
        sockets += await asyncio.gather(*(_open(url, headers) for _ in range(batch)))
    return sockets


async def _open(url: str, headers: dict[str, str]) -> Socket:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    fields = {
        "Host": parts.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    request = "\r\n".join(lines).encode()
    loop = asyncio.get_running_loop()
    _, socket = await loop.create_connection(lambda: Socket(request), host, port)
    await socket.opened
    return socket


async def exchange(sockets: list[Socket], text: bytes, seconds: float) -> tuple[float, list[float]]:
    """Send on each socket, wait for the answer, again: messages per second, and the latencies in order."""
    latencies: list[float] = []
    begun = time.perf_counter()
    until = begun + seconds

    async def one(socket: Socket) -> None:
        answered: asyncio.Queue[bytes] = asyncio.Queue()
        socket.on_text = answered.put_nowait
        while (sent := time.perf_counter()) < until:
            socket.send(text)
            answer = await asyncio.wait_for(answered.get(), 30)
            if b"hello, everybody" not in answer:
                raise RuntimeError(f"unexpected answer: {answer!r}")
            latencies.append(time.perf_counter() - sent)

    await asyncio.gather(*(one(socket) for socket in sockets))
    return len(latencies) / (time.perf_counter() - begun), sorted(latencies)
