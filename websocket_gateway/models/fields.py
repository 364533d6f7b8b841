"""A text column that tells upper from lower case on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField


class CaseSensitiveCharField(_CharField):
    """A `CharField` compared byte for byte.

    PostgreSQL and SQLite compare so by themselves. MariaDB and MySQL would take `kXyZ=` and
    `KxYz=` for the same connection under their default collation, so there the column is
    `utf8mb4_bin`, whatever the database's own character set is.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, Any]:
        """Add the collation where the database needs one."""
        parameters: dict[str, Any] = dict(super().db_parameters(connection))
        if connection.vendor == "mysql":
            parameters["collation"] = "utf8mb4_bin"
        return parameters

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Name the character set that the collation belongs to, where the database needs it."""
        column = super().db_type(connection)
        return f"{column} CHARACTER SET utf8mb4" if connection.vendor == "mysql" else column
