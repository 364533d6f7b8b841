"""Opens connections to one endpoint: name, address, TLS."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websocket_gateway.aws.engines.http1 import Connection, Owner, SecureConnection
from websocket_gateway.forking import cached_per_process

_RESOLVED_SECONDS = 30.0


@cached_per_process(maxsize=8)
def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """TLS that verifies name and chain against the certificates in `ca_bundle`, a file or a folder."""
    return ssl.create_default_context(**_where(ca_bundle))


def _where(ca_bundle: str) -> dict[str, Any]:
    return {"capath": ca_bundle} if Path(ca_bundle).is_dir() else {"cafile": ca_bundle}


class Dialer:
    """Opens connections to the host of `url`, to its addresses in turns."""

    def __init__(self, url: str, *, ca_bundle: str) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = tls_context(ca_bundle) if parts.scheme == "https" else None
        self._addresses: asyncio.Future[list[str]] | None = None
        self._resolved_at = 0.0
        self._turns = itertools.count()

    async def connect(self, owner: Owner, line: Any) -> Connection:
        """An open connection. Raises `OSError` (`ssl.SSLError` and failures of DNS are such)."""
        loop = asyncio.get_running_loop()
        try:
            addresses = await self._resolve(loop)
        except OSError:
            self._addresses = None  # ask anew the next time
            raise
        first = next(self._turns)
        error: OSError | None = None
        for number in range(len(addresses)):
            try:
                return await self._open(loop, addresses[(first + number) % len(addresses)], owner, line)
            except ssl.SSLError:
                raise
            except OSError as exc:
                error = exc
        self._addresses = None
        raise error or OSError(f"{self._host} has no address")

    async def _open(
        self, loop: asyncio.AbstractEventLoop, address: str, owner: Owner, line: Any
    ) -> Connection:
        def make() -> Connection:
            if self._tls is None:
                return Connection(owner, line)
            return SecureConnection(owner, line, context=self._tls, server_hostname=self._host)

        _, connection = await loop.create_connection(make, address, self._port)
        try:
            await connection.ready
        except BaseException:
            connection.close()
            raise
        return connection

    async def _resolve(self, loop: asyncio.AbstractEventLoop) -> list[str]:
        if self._addresses is None or loop.time() - self._resolved_at > _RESOLVED_SECONDS:
            self._addresses, self._resolved_at = _look_up(loop, self._host, self._port), loop.time()
        # Shielded: one connection that gives up must not cancel the answer for the others.
        return await asyncio.shield(self._addresses)


def _look_up(loop: asyncio.AbstractEventLoop, host: str, port: int) -> asyncio.Future[list[str]]:
    """Ask for the addresses of a host in a thread that nobody waits for: a resolver may hang for minutes."""
    future: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str] | None, error: OSError | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
            future.exception()  # seen: whoever asked may have given up
        else:
            future.set_result(addresses or [])

    def ask() -> None:
        addresses, error = None, None
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
        except (OSError, UnicodeError) as exc:
            error = exc if isinstance(exc, OSError) else OSError(str(exc))
        try:
            loop.call_soon_threadsafe(settle, addresses, error)
        except RuntimeError:
            return  # the loop was closed meanwhile

    threading.Thread(target=ask, name="websocket-gateway-resolve", daemon=True).start()
    return future
