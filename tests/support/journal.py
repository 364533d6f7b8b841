"""SQLite's write-ahead log, for tests in which several processes write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection


@pytest.fixture(name="write_ahead_log")
def write_ahead_log_fixture() -> Iterator[None]:
    """SQLite's default journal lets readers block writers for seconds; a check advises this one."""
    if connection.vendor != "sqlite":
        yield
        return
    _set_journal("WAL")
    yield
    _set_journal("DELETE")


def _set_journal(mode: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA journal_mode={mode}")
        assert cursor.fetchone() == (mode.lower(),)  # a statement that is not read to its end keeps its lock
