"""Puts back, when a test has ended that committed, the rows that Django itself makes after a migration.

Django empties all tables then and sends `post_migrate`, whose receivers work out all content types and
permissions anew. That took more than half of the time for emptying; the rows are the same each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import sql
from django.core.management.commands import flush
from django.db import DEFAULT_DB_ALIAS, connection


@contextmanager
def rows_put_back() -> Iterator[None]:
    """Have `flush` insert the rows that are there now, with their keys, instead of sending `post_migrate`."""
    if ContentType._meta.db_table not in connection.introspection.table_names():
        yield  # each tenant has a schema of its own with these tables
        return
    types, permissions = list(ContentType.objects.order_by("pk")), list(Permission.objects.order_by("pk"))
    send = sql.emit_post_migrate_signal

    def put_back(verbosity: int, interactive: bool, db: str, **more: Any) -> None:
        if db != DEFAULT_DB_ALIAS:
            send(verbosity, interactive, db, **more)
            return
        ContentType.objects.using(db).bulk_create(types)
        Permission.objects.using(db).bulk_create(permissions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush, "emit_post_migrate_signal", put_back)
        yield
