"""A TCP proxy in front of a database server, to cut its connections at a chosen moment."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class TcpProxy:
    """Listens at `.port`; after `cut()` nobody listens there, until `restore()`."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = _listen(0)
        self.port: int = self._listener.getsockname()[1]
        self.cut_at: bytes | None = None
        """Cut as soon as a client sends these bytes, which then do not reach the server."""
        self._serve()

    def cut(self) -> None:
        """Close every connection, and refuse further ones."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            cut, self._sockets = self._sockets, set()
        for one in cut:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def restore(self) -> None:
        """Listen again, at the same port."""
        self.cut()
        self.cut_at = None
        self._listener = _listen(self.port)
        self._serve()

    def _serve(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._upstream_port))
            with self._lock:
                self._sockets |= {client, server}
            for source, target in ((client, server), (server, client)):
                watched = source is client
                threading.Thread(target=self._copy, args=(source, target, watched), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, watched: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if watched and self.cut_at is not None and self.cut_at in data:
                    self.cut()
                    return
                target.sendall(data)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(16)
    return listener


@contextmanager
def tcp_proxy(upstream_port: int) -> Iterator[TcpProxy]:
    """A `TcpProxy` that is cut at the end."""
    proxy = TcpProxy(upstream_port)
    try:
        yield proxy
    finally:
        proxy.cut()
