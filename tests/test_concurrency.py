"""Statements that meet a busy database are repeated; everything else is raised at once."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from django.db import (
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)

from tests.factories import ConnectionRateLimitFactory, WebSocketSessionFactory
from tests.views.urls import StackView
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.database_errors import is_away, is_busy
from websocket_gateway.models import ConnectionRateLimit
from websocket_gateway.testing import message_request


class DriverError(Exception):
    sqlstate = "40P01"


def deadlock() -> OperationalError:
    error = OperationalError("deadlock detected")
    error.__cause__ = DriverError()
    return error


@pytest.mark.parametrize(
    ("error", "busy"),
    [
        pytest.param(OperationalError("database is locked"), True, id="SQLite"),
        pytest.param(OperationalError("database table is locked: x"), True, id="SQLite, table"),
        pytest.param(OperationalError(1205, "Lock wait timeout exceeded"), True, id="MariaDB, waited"),
        pytest.param(OperationalError(1213, "Deadlock found"), True, id="MariaDB, deadlock"),
        pytest.param(OperationalError(1020, "Record has changed"), True, id="MariaDB, snapshot isolation"),
        pytest.param(deadlock(), True, id="PostgreSQL, deadlock"),
        pytest.param(OperationalError(2006, "Server has gone away"), False, id="connection lost"),
        pytest.param(OperationalError("no such table: x"), False, id="another error"),
        pytest.param(OperationalError(), False, id="nothing said"),
    ],
)
def test_busy_is_told_from_broken(error: OperationalError, busy: bool) -> None:
    assert is_busy(error) is busy


@pytest.mark.django_db(transaction=True)
def test_other_errors_are_raised_at_once() -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise OperationalError("no such table: x")

    with pytest.raises(OperationalError):
        retry_when_busy(fail, model=ConnectionRateLimit)
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
def test_statement_inside_a_transaction_is_not_repeated() -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise OperationalError("database is locked")

    with pytest.raises(OperationalError), transaction.atomic():
        retry_when_busy(fail, model=ConnectionRateLimit)
    assert len(calls) == 1


only_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="locks a SQLite file")


@only_sqlite
@pytest.mark.django_db(transaction=True)
def test_statement_succeeds_once_the_lock_is_gone(lock: sqlite3.Connection) -> None:
    row = ConnectionRateLimitFactory.create()
    lock.execute("BEGIN EXCLUSIVE")
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            lock.execute("ROLLBACK")

    rows = retry_when_busy(
        lambda: ConnectionRateLimit.objects.filter(pk=row.pk).update(attempts=9),
        model=ConnectionRateLimit,
        sleep=wait,
    )

    assert (rows, len(waits)) == (1, 3)


@only_sqlite
@pytest.mark.django_db(transaction=True)
def test_patience_ends(lock: sqlite3.Connection) -> None:
    lock.execute("BEGIN EXCLUSIVE")

    with pytest.raises(OperationalError, match="locked"):
        retry_when_busy(
            ConnectionRateLimit.objects.all().delete,
            model=ConnectionRateLimit,
            patience=0,
            sleep=lambda _: None,
        )


@only_sqlite
@pytest.mark.django_db(transaction=True)
def test_view_answers_503_while_the_database_is_locked(lock: sqlite3.Connection) -> None:
    session = WebSocketSessionFactory.create()
    request: Any = message_request(session.api_gateway, session.connection_id, {"handler": "say"})
    StackView.as_view()(request, route="default")  # the gateway is known from now on
    lock.execute("BEGIN EXCLUSIVE")

    response = StackView.as_view()(request, route="default")

    assert (response.status_code, response["Retry-After"]) == (503, "1")


class _CauseError(Exception):
    def __init__(self, sqlstate: str | None = None) -> None:
        super().__init__()
        self.sqlstate = sqlstate


def _failed(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (_failed(OperationalError("connection refused"), _CauseError()), True),
        (_failed(OperationalError("the database system is starting up"), _CauseError("57P03")), True),
        (_failed(OperationalError("too many clients"), _CauseError("53300")), True),
        (_failed(OperationalError("deadlock"), _CauseError("40P01")), True),
        (_failed(OperationalError("invalid"), _CauseError("22023")), False),
        (_failed(InternalError("read-only transaction"), _CauseError("25006")), True),
        (_failed(InternalError("aborted"), _CauseError("25P02")), False),
        (_failed(InterfaceError("connection already closed"), _CauseError()), True),
        (OperationalError(2002, "Can't connect"), True),
        (OperationalError(2006, "Server has gone away"), True),
        (OperationalError(1927, "Connection was killed"), True),
        (OperationalError(1054, "Unknown column"), False),
        (InterfaceError(0, ""), True),
        (_failed(OperationalError("database is locked"), sqlite3.OperationalError()), True),
        (_failed(OperationalError("unable to open database file"), sqlite3.OperationalError()), True),
        (_failed(OperationalError("no such table: x"), sqlite3.OperationalError()), False),
        (_failed(InterfaceError("Error binding parameter 0"), sqlite3.InterfaceError()), False),
        (ProgrammingError("Cannot open a new connection in an atomic block."), True),
        (ProgrammingError("Cannot operate on a closed database."), True),
        (ProgrammingError('relation "x" does not exist'), False),
        (IntegrityError("duplicate key"), False),
        (ValueError("x"), False),
    ],
    ids=str,
)
def test_a_database_that_is_away_is_told_from_a_wrong_statement(error: Exception, away: bool) -> None:
    assert is_away(error) is away
