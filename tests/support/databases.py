"""Cuts a test's connections to PostgreSQL or MariaDB, as a failover or an administrator does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections

ENGINE = os.environ.get("WEBSOCKET_GATEWAY_TEST_DATABASE", "sqlite")
needs_a_server = pytest.mark.skipif(ENGINE == "sqlite", reason="SQLite has no connections to cut")
needs_postgresql = pytest.mark.skipif(ENGINE != "postgresql", reason="of PostgreSQL alone")


class Administrator:
    """Ends the other connections to the database of the test, on a connection of its own."""

    def __init__(self) -> None:
        self._connection = connections.create_connection("default")
        self._connection.ensure_connection()
        self._connection.inc_thread_sharing()  # the sink cuts, in a thread that answers
        self.cuts = 0

    def cut(self) -> None:
        """End them all, in the middle of whatever they do."""
        with self._connection.cursor() as cursor:
            cursor.execute(_OTHERS[ENGINE])
            if ENGINE == "mysql":
                for (number,) in cursor.fetchall():
                    cursor.execute(f"KILL {int(number)}")
        self.cuts += 1

    def close(self) -> None:
        """Leave."""
        self._connection.close()


_OTHERS = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}


@pytest.fixture(name="administrator")
def administrator_fixture(transactional_db: None) -> Iterator[Administrator]:
    """See `Administrator`."""
    administrator = Administrator()
    yield administrator
    administrator.close()
    connection.close()  # it may be cut


@contextmanager
def unreachable() -> Iterator[None]:
    """Let this thread's further connections go to a port where nothing listens."""
    settings: dict[str, Any] = connection.settings_dict
    port = settings["PORT"]
    settings["PORT"] = "1"
    try:
        yield
    finally:
        settings["PORT"] = port
        connection.close()
