"""Run single statements while the database is busy, and functions once a transaction has committed.

SQLite lets one connection write at a time and gives up after its busy timeout (5 s by
default); MariaDB and PostgreSQL may end a statement to resolve a deadlock. In autocommit a
single statement can be run again. Inside a transaction it cannot, and is not. Work that
takes minutes goes on after a restart or a failover of the database, on a new connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

from django.db import Error, IntegrityError, OperationalError, connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from websocket_gateway.database_engines import locks_by_key
from websocket_gateway.database_errors import is_away, is_busy
from websocket_gateway.forking import jitter
from websocket_gateway.tenants import with_current_tenant
from websocket_gateway.web_requests import in_web_request

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)

PATIENCE_SECONDS = 15.0
"""How long a statement is repeated; API Gateway waits at most 29 s for a response."""
RECONNECT_SECONDS = 30.0
"""How long work outside web requests waits for a database that went away, such as in a failover."""


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


def reconnect_when_away(
    statement: Callable[[], T], *, using: str, sleep: Callable[[float], None] = time.sleep
) -> T:
    """Run what is safe to repeat; on new connections while the database is away, for `RECONNECT_SECONDS`.

    A web request does not wait: it gets one new connection, because the server may have closed one that was
    idle. Raises the last error after that, and at once inside a transaction, which is lost with its
    connection.
    """
    connection = connections[using]
    deadline = time.monotonic() + (0.0 if in_web_request() else RECONNECT_SECONDS)
    repeated = False
    while True:
        try:
            return statement()
        except Error as exc:
            if connection.in_atomic_block or not connection.autocommit or not is_away(exc):
                raise
            if repeated and time.monotonic() >= deadline:
                raise
        connection.close()
        if repeated:
            sleep(jitter.uniform(0.1, 0.5))
        repeated = True


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
    transaction.on_commit(with_current_tenant(function), using=using, robust=True)
    return True


def run_after_commits(function: Callable[[], object], *, using: str) -> bool:
    """Run `function` once every surrounding transaction has committed, on whatever database; robust.

    After a rollback of one of them it is not run. Returns False, and runs nothing, outside of a transaction.
    The one that Django's `TestCase` puts around a test counts on the database `using` only.
    """
    waiting = {
        connection.alias
        for connection in connections.all(initialized_only=True)
        if connection.in_atomic_block and (connection.alias == using or not _is_of_test(connection))
    }
    if not waiting:
        return False

    def committed(alias: str) -> None:
        waiting.discard(alias)
        if not waiting:
            function()

    for alias in tuple(waiting):
        # Robust: the transaction is committed, so its code must not fail because of this.
        transaction.on_commit(partial(committed, alias), using=alias, robust=True)
    return True


def _is_of_test(connection: BaseDatabaseWrapper) -> bool:
    blocks: list[transaction.Atomic] = connection.atomic_blocks
    return all(getattr(block, "_from_testcase", False) for block in blocks)


def in_key_order(rows: models.QuerySet[M], number: int, *, skip_locked: bool) -> models.QuerySet[M]:
    """`rows` for an UPDATE that locks them by primary key, so that two of these never wait for each other."""
    if not locks_by_key(connections[rows.db]):
        return rows  # MariaDB's UPDATE supports ORDER BY, SQLite locks the file
    # A slice, because Django drops the order of every other subquery.
    keys = (_LockedSkipping if skip_locked else _Locked)(rows.values("pk")[:number])
    return rows.model._default_manager.using(rows.db).filter(pk__in=keys)


class _Locked(models.Subquery):
    template = "(%(subquery)s FOR NO KEY UPDATE)"


class _LockedSkipping(models.Subquery):
    template = "(%(subquery)s FOR NO KEY UPDATE SKIP LOCKED)"
