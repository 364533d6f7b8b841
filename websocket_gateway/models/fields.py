"""A text column that is case-sensitive on every database, and the loaded object of a foreign key."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from websocket_gateway.database_engines import ignores_case

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField


class CaseSensitiveCharField(_CharField):
    """A `CharField` compared byte for byte.

    PostgreSQL and SQLite do so by default. With their default collation, MariaDB and MySQL regard
    `kXyZ=` and `KxYz=` as equal, so there the collation is `utf8mb4_bin`, whatever the character
    set of the database is.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> dict[str, str | None]:
        """Add the collation if the database needs one."""
        parameters: dict[str, str | None] = dict(super().db_parameters(connection))
        if ignores_case(connection):
            parameters["collation"] = "utf8mb4_bin"
        return parameters

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        """Add the character set of the collation if the database needs it."""
        column = super().db_type(connection)
        return f"{column} CHARACTER SET utf8mb4" if ignores_case(connection) else column


SEALED_MAX_LENGTH = 255
"""Characters of a sealed session key: enough for a key of 157 bytes."""


def set_related(row: models.Model, name: str, value: models.Model) -> None:
    """Make `value` the loaded object of a foreign key, from whatever database it was read."""
    field = cast("models.ForeignKey[models.Model, models.Model]", row._meta.get_field(name))
    field.set_cached_value(row, value)
