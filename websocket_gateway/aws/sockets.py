"""Leaves the sockets that boto3's clients keep open to the process that opened them."""

from __future__ import annotations

from collections.abc import Iterable
from queue import LifoQueue
from typing import Any


def leave_sockets(clients: Iterable[Any]) -> None:
    """Close a forked child's copies of the sockets that idle in the pools of `clients`.

    Only descriptors are closed, nothing is sent: the parent's connections go on, TLS included. A socket on
    which a thread of the parent awaits a response is in no pool; the child never uses its copy.

    `close()` of boto3's clients takes locks that a thread of the parent may have held.
    """
    for client in tuple(clients):
        session = client._endpoint.http_session
        for manager in (session._manager, *session._proxy_managers.values()):
            for pool in tuple(manager.pools._container.values()):
                if pool.pool is not None:
                    _leave(pool.pool)


def _leave(queue: LifoQueue[Any]) -> None:
    connections = [connection for connection in queue.queue if connection is not None]
    # New locks, and nothing left to close: urllib3 empties the queue when the process ends.
    queue.__init__(queue.maxsize)  # type: ignore[misc]
    for connection in connections:
        connection.close()
