"""Migrations of the table of connections, which may be large: they add columns and never copy it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from websocket_gateway.models import WebSocketSession

TABLE = WebSocketSession._meta.db_table
BEFORE_CHANNELS = ("0001", "0002", "0003")


def migrations_from_channels_on() -> list[str]:
    listed = StringIO()
    call_command("showmigrations", "websocket_gateway", format="list", no_color=True, stdout=listed)
    names = [line.split()[-1] for line in listed.getvalue().splitlines() if line.startswith(" [")]
    return [name for name in names if not name.startswith(BEFORE_CHANNELS)]


@pytest.mark.django_db(transaction=True)
def test_no_migration_copies_the_connections() -> None:
    written = {}
    for name in migrations_from_channels_on():
        output = StringIO()
        call_command("sqlmigrate", "websocket_gateway", name, stdout=output)
        written[name] = output.getvalue()

    assert any(f'ALTER TABLE "{TABLE}" ADD COLUMN'.replace('"', quote()) in sql for sql in written.values())
    assert [name for name, sql in written.items() if f"new__{TABLE}" in sql] == []


def quote() -> str:
    return connection.ops.quote_name("x")[0]
