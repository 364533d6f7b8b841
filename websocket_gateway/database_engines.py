"""What the database engines do differently: the only code that knows their names."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper


def aborts_transactions(connection: BaseDatabaseWrapper) -> bool:
    """Whether every statement fails after an error in the same transaction, as on PostgreSQL."""
    return connection.vendor == "postgresql"


def locks_by_key(connection: BaseDatabaseWrapper) -> bool:
    """Whether a locking query locks only the rows that it returns, as on PostgreSQL.

    MariaDB and MySQL also lock rows that it has only read, and SQLite locks the file.
    """
    return connection.vendor == "postgresql"


def has_one_writer(connection: BaseDatabaseWrapper) -> bool:
    """Whether one process writes at a time and locks the whole database, as on SQLite."""
    return connection.vendor == "sqlite"


def ignores_case(connection: BaseDatabaseWrapper) -> bool:
    """Whether text that differs only in case is equal by default, as on MariaDB and MySQL."""
    return connection.vendor == "mysql"
