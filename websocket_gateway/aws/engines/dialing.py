"""Opens connections to one endpoint: addresses, TLS, and the certificates that boto3 trusts."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import ssl
import threading
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from botocore.httpsession import get_cert_path

from websocket_gateway.aws.clients import config_variable
from websocket_gateway.aws.engines.http1 import Connection, Owner, SecureConnection
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.forking import cached_per_process
from websocket_gateway.no_fork import no_fork

_RESOLVED_SECONDS = 30.0
Queue = TypeVar("Queue")


def ca_bundle() -> str:
    """The file or folder of certificates that boto3 trusts: `AWS_CA_BUNDLE`, the profile's, or its own.

    Raises `ConfigurationError` for a path where there is nothing.
    """
    configured = config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    path = configured or str(get_cert_path(True))
    if not os.path.exists(path):
        raise ConfigurationError(f"The CA bundle {path!r} does not exist. Correct AWS_CA_BUNDLE.")
    return path


@cached_per_process(maxsize=8)
def tls_context(ca_bundle: str) -> ssl.SSLContext:
    """TLS that verifies name and chain against the certificates in `ca_bundle`, a file or a folder."""
    with no_fork:
        if Path(ca_bundle).is_dir():
            return ssl.create_default_context(capath=ca_bundle)
        return ssl.create_default_context(cafile=ca_bundle)


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

    async def connect(self, owner: Owner[Queue], queue: Queue) -> Connection[Queue]:
        """An open connection. Raises `OSError` (`ssl.SSLError` and failures of DNS are such)."""
        loop = asyncio.get_running_loop()
        try:
            addresses = await self._resolve(loop)
        except OSError:
            self._addresses = None  # resolve again the next time
            raise
        first = next(self._turns)
        error: OSError | None = None
        for number in range(len(addresses)):
            try:
                return await self._open(loop, addresses[(first + number) % len(addresses)], owner, queue)
            except ssl.SSLError:
                raise
            except OSError as exc:
                error = exc
        self._addresses = None
        raise error or OSError(f"{self._host} has no address")

    async def _open(
        self, loop: asyncio.AbstractEventLoop, address: str, owner: Owner[Queue], queue: Queue
    ) -> Connection[Queue]:
        def make() -> Connection[Queue]:
            if self._tls is None:
                return Connection(owner, queue)
            return SecureConnection(owner, queue, context=self._tls, server_hostname=self._host)

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
        # Shielded: one connection that gives up must not cancel the look-up of the others.
        return await asyncio.shield(self._addresses)


def _look_up(loop: asyncio.AbstractEventLoop, host: str, port: int) -> asyncio.Future[list[str]]:
    """Resolve a host in a thread that is never joined: a resolver may hang for minutes."""
    future: asyncio.Future[list[str]] = loop.create_future()

    def settle(addresses: list[str] | None, error: OSError | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
            future.exception()  # seen: the task that waited may have given up
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
