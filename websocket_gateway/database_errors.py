"""What an error of a database says: whether it is busy, and whether it is away."""

from __future__ import annotations

import sqlite3
import sys

from django.db import InterfaceError, OperationalError, ProgrammingError

# MariaDB: record has changed since it was read (its snapshot isolation), lock wait timeout, deadlock
_BUSY_CODES = frozenset({1020, 1205, 1213})
# PostgreSQL: serialization failure, deadlock, lock not available
_BUSY_STATES = frozenset({"40001", "40P01", "55P03"})

_CLOSED = ("Cannot open a new connection in an atomic block", "closed database")
_SQLITE_AWAY = ("unable to open", "disk I/O error", "readonly database")
# Errors of the client library, such as 2002 connection refused, 2006 gone away, 2013 lost in a query.
_MYSQL_CLIENT = range(2000, 3000)
# Too many connections, shutting down, packets lost, a connection that was killed, read-only in a failover.
_MYSQL_AWAY = frozenset(
    {1040, 1053, 1077, 1079, 1080, 1152, *range(1158, 1162), 1184, 1203, 1226, 1290, 1927}
)
# Classes: connection, resources, operator (shutdown, start-up), system.
_POSTGRESQL_AWAY = frozenset({"08", "53", "57", "58"})
_READ_ONLY = "25006"
"""PostgreSQL's `InternalError` of a primary that has become a standby."""


def is_busy(error: OperationalError) -> bool:
    """Whether the database refused a statement only because of concurrent statements."""
    code = error.args[0] if error.args else None
    state = getattr(error.__cause__, "sqlstate", None)
    return code in _BUSY_CODES or state in _BUSY_STATES or "is locked" in str(error)


def is_away(error: Exception) -> bool:
    """Whether a statement failed because the database is away or busy, not because of what it says.

    Away: connection refused or lost, no free connection in a pool, starting up, shutting down. The drivers
    have no class of their own for that, and call an unknown column an `OperationalError`, too.
    """
    cause = error.__cause__
    if isinstance(error, ProgrammingError):
        # The connection was lost in a transaction, or sqlite3's own was closed.
        return any(text in str(error) for text in _CLOSED)
    if isinstance(error, InterfaceError):
        return not isinstance(cause, sqlite3.Error)  # there it is a wrong argument
    if not isinstance(error, OperationalError):
        return getattr(cause, "sqlstate", None) == _READ_ONLY
    if is_busy(error):
        return True
    if isinstance(cause, sqlite3.Error):
        return any(text in str(error) for text in _SQLITE_AWAY)
    code, state = error.args[0] if error.args else None, getattr(cause, "sqlstate", None)
    if isinstance(code, int):
        return code in _MYSQL_AWAY or code in _MYSQL_CLIENT
    # PostgreSQL gives no state where there is no connection.
    return not state or state[:2] in _POSTGRESQL_AWAY


def is_forbidden_in_tests(error: Exception) -> bool:
    """Whether a test that must not use the database has refused a query: `SimpleTestCase`, pytest-django."""
    testcases = sys.modules.get("django.test.testcases")
    if testcases is not None and isinstance(error, testcases.DatabaseOperationForbidden):
        return True
    return isinstance(error, RuntimeError) and str(error).startswith("Database access not allowed")


def describe_away(exc: Exception) -> str:
    """What the log says of a database that is away: the first line of the driver, which has no secret."""
    return f"The database is away or busy: {type(exc).__name__}: {str(exc).partition(chr(10))[0][:200]}"
