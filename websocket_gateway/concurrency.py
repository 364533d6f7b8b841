"""Run single statements while the database is busy, and functions once a transaction has committed.

SQLite lets one connection write at a time and gives up after its busy timeout (5 s by
default); MariaDB and PostgreSQL may end a statement to resolve a deadlock. In autocommit a
single statement can be run again. Inside a transaction it cannot, and is not.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connections,
    models,
    router,
    transaction,
)

from websocket_gateway.forking import jitter

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)

PATIENCE_SECONDS = 15.0
"""How long a statement is repeated; API Gateway waits at most 29 s for a response."""

_BUSY_CODES = frozenset({1205, 1213})  # MariaDB: lock wait timeout, deadlock
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


def retry_when_busy(
    statement: Callable[[], T],
    *,
    model: type[models.Model],
    using: str | None = None,
    patience: float = PATIENCE_SECONDS,
    may_retry: Callable[[], bool] = lambda: True,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Run one statement on `model`'s table, again while the database is busy, for `patience` seconds.

    Raises the last `OperationalError` when patience ends, any other one at once, and one after which
    `may_retry` is false. `using` is the database, if the statement names one.
    """
    using = using or router.db_for_write(model)
    deadline = time.monotonic() + patience
    while True:
        try:
            return statement()
        except OperationalError as exc:
            in_transaction = connections[using].in_atomic_block
            if in_transaction or not may_retry() or not is_busy(exc) or time.monotonic() > deadline:
                raise
        sleep(jitter.uniform(0.01, 0.1))


def insert_unless_exists(row: models.Model) -> bool:
    """Insert `row`; False if a unique column's value is taken. A transaction around it stays usable."""
    using = router.db_for_write(type(row))
    in_transaction = connections[using].in_atomic_block

    def insert() -> bool:
        guard: AbstractContextManager[None] = nullcontext()
        if in_transaction:
            guard = transaction.atomic(using=using)
        try:
            with guard:
                row.save(force_insert=True, using=using)
        except IntegrityError:
            return False
        return True

    return retry_when_busy(insert, model=type(row))


def run_after_commit(
    function: Callable[[], object], *, model: type[models.Model], using: str | None = None
) -> bool:
    """Run `function` after the surrounding transaction commits, or at once. Its exceptions are logged.

    False, and nothing is run, where autocommit is switched off: the commit is then not Django's.
    """
    using = using or router.db_for_write(model)
    connection = connections[using]
    if not connection.in_atomic_block and not connection.get_autocommit():
        return False
    transaction.on_commit(function, using=using, robust=True)
    return True


def in_key_order(rows: models.QuerySet[M], number: int, *, skip_locked: bool) -> models.QuerySet[M]:
    """`rows` for an UPDATE that locks them by primary key, so that two of these never wait for each other."""
    if connections[rows.db].vendor != "postgresql":
        return rows  # MariaDB's UPDATE supports ORDER BY, SQLite locks the file
    # A slice, because Django drops the order of every other subquery.
    keys = (_LockedSkipping if skip_locked else _Locked)(rows.values("pk")[:number])
    return rows.model._default_manager.using(rows.db).filter(pk__in=keys)


class _Locked(models.Subquery):
    template = "(%(subquery)s FOR NO KEY UPDATE)"


class _LockedSkipping(models.Subquery):
    template = "(%(subquery)s FOR NO KEY UPDATE SKIP LOCKED)"
