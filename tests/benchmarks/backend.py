"""A trivial asyncio backend for the local gateway's benchmark; `/slow` answers after some seconds."""

from __future__ import annotations

import asyncio
import sys

SLOW_SECONDS = 5.0


class Echo(asyncio.Protocol):
    """Answers every request with its own body."""

    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every complete request in what has arrived."""
        self.buffer += data
        while True:
            head, separator, rest = self.buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(rest) < length:
                return
            body, self.buffer = rest[:length], rest[length:]
            delay = SLOW_SECONDS if head.startswith(b"POST /slow") else 0.0
            asyncio.get_running_loop().call_later(delay, self.answer, body) if delay else self.answer(body)

    def answer(self, body: bytes) -> None:
        """Write one answer."""
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def main() -> None:
    """Serve on a free port, written to stdout."""
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
