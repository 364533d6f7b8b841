"""Messages that this process has read lately. Clients that come back together read the same ones.

A numbered message never changes, so nothing here can be out of date. What may be handed out of it, and up
to which offset, is read from the database each time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from websocket_gateway.forking import PerProcess
from websocket_gateway.tenants import Place

MAX_BYTES = 16 * 1024 * 1024
_ROW_BYTES = 200
"""What an entry needs beside its body."""

Key = tuple[Place, str, str]
"""A place, a channel and its epoch."""


class Stored(NamedTuple):
    """A numbered message."""

    offset: int
    created_on: datetime
    body: bytes


class Bodies:
    """The messages read last, up to `max_bytes`."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._rows: OrderedDict[tuple[Key, int], Stored] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, key: Key, rows: Iterable[Stored]) -> None:
        """Keep these messages; the ones read longest ago go."""
        with self._lock:
            for row in rows:
                if (key, row.offset) not in self._rows:
                    self._bytes += len(row.body) + _ROW_BYTES
                self._rows[key, row.offset] = row
                self._rows.move_to_end((key, row.offset))
            while self._bytes > self._max_bytes:
                _, oldest = self._rows.popitem(last=False)
                self._bytes -= len(oldest.body) + _ROW_BYTES

    def after(self, key: Key, offset: int, number: int) -> list[Stored]:
        """Up to `number` consecutive messages after `offset`, as far as they are here."""
        found: list[Stored] = []
        with self._lock:
            while len(found) < number and (row := self._rows.get((key, offset + len(found) + 1))):
                self._rows.move_to_end((key, row.offset))
                found.append(row)
        return found


recent_bodies = PerProcess(Bodies)
