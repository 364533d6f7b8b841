"""A server that answers `@connections` posts byte by byte as it is told, well or badly, over TCP or TLS."""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

from websocket_gateway.aws.endpoints import ManagementEndpoint

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def status_line(status: int, code: str = "", body: bytes = b"") -> bytes:
    """An answer with a length, as API Gateway words it."""
    header = f"x-amzn-ErrorType: {code}\r\n" if code else ""
    return f"HTTP/1.1 {status} Something\r\n{header}Content-Length: {len(body)}\r\n\r\n".encode() + body


@dataclass(frozen=True, slots=True)
class Reply:
    """What to write, and what to do with the connection afterwards: `keep`, `close`, `reset` or `hang`."""

    raw: bytes = OK
    then: str = "keep"
    delay_seconds: float = 0.0
    pieces: bool = False
    """Write one byte at a time."""


class RawSink:
    """Serves until closed; `answer` gets the connection id and how often it was posted to before."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Callable[[str, int], Reply] = lambda connection_id, number: Reply()
        self.received: dict[str, list[bytes]] = defaultdict(list)
        """Bodies that were answered with a 2xx."""
        self.requests: list[tuple[str, bytes]] = []
        """Head and body of everything that came."""
        self.accepted = 0
        self.port = 0
        self._tls = tls
        self._posted: dict[str, int] = defaultdict(int)
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    @property
    def endpoint(self) -> ManagementEndpoint:
        scheme = "https" if self._tls else "http"
        return ManagementEndpoint(f"{scheme}://127.0.0.1:{self.port}/_api/abc/live", "eu-west-1")

    @property
    def socket_endpoint(self) -> str:
        """The `api_endpoint` of a gateway whose connections are here."""
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}/_api/abc"

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(30)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    async def _serve(self) -> None:
        tasks: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            self.accepted += 1
            try:
                while await self._exchange(reader, writer):
                    pass
            except (OSError, asyncio.IncompleteReadError):
                pass
            except asyncio.CancelledError:
                pass
            finally:
                writer.transport.abort()
                tasks.discard(task)

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=self._tls, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        body = await reader.readexactly(length)
        path = head.split(b" ", 2)[1].decode()
        connection_id = unquote(path.rpartition("/@connections/")[2])
        self.requests.append((head.decode(), body))
        number = self._posted[connection_id]
        self._posted[connection_id] += 1
        reply = self.answer(connection_id, number)
        if reply.delay_seconds:
            await asyncio.sleep(reply.delay_seconds)
        if re.match(rb"(HTTP/1.1 1.*\r\n\r\n)?HTTP/1.. 2", reply.raw):
            self.received[connection_id].append(body)
        await self._write(writer, reply)
        return await self._afterwards(writer, reply.then)

    async def _write(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        if not reply.pieces:
            writer.write(reply.raw)
            await writer.drain()
            return
        for place in range(len(reply.raw)):
            writer.write(reply.raw[place : place + 1])
            await writer.drain()
            await asyncio.sleep(0)

    async def _afterwards(self, writer: asyncio.StreamWriter, then: str) -> bool:
        if then == "keep":
            return True
        if then == "hang":
            await self._stop.wait()
        elif then == "close":
            writer.close()
            await writer.wait_closed()
        return False


@contextmanager
def running_raw_sink(*, tls: ssl.SSLContext | None = None) -> Iterator[RawSink]:
    """A raw sink for the length of a `with` block."""
    sink = RawSink(tls=tls)
    sink.start()
    try:
        yield sink
    finally:
        sink.stop()
