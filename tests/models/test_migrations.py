"""Migrations match the models, and a changed label is no statement on a table with a million rows."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations import AlterField, AlterModelOptions
from django.db.migrations.loader import MigrationLoader

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_migration_is_missing() -> None:
    call_command("makemigrations", "websocket_gateway", check=True, dry_run=True, verbosity=0)


def test_labels_and_help_texts_change_no_table() -> None:
    loader = MigrationLoader(connection)
    name = "websocket_gateway", "0003_labels"
    state = loader.project_state(name, at_end=False)
    altered = 0

    for operation in loader.get_migration(*name).operations:
        before = state.clone()
        operation.state_forwards("websocket_gateway", state)
        if not isinstance(operation, (AlterField, AlterModelOptions)):
            continue
        altered += 1
        with connection.schema_editor(collect_sql=True) as editor:
            operation.database_forwards("websocket_gateway", editor, before, state)
        assert editor.collected_sql == [], operation.describe()

    assert altered > 20
