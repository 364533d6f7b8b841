"""Adds columns without rewriting their table, so that a migration of a large table keeps no writer waiting."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from django.db.migrations.state import ProjectState

from websocket_gateway.database_engines import has_one_writer


class AddColumn(migrations.AddField):
    """`AddField` for a field whose `db_default` is a constant.

    On SQLite, Django copies the whole table for a field that is not null, because it wants to drop the default
    afterwards. A `db_default` stays, and then `ALTER TABLE ADD COLUMN` changes the schema only.
    """

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        """See `Operation.database_forwards`."""
        if not has_one_writer(schema_editor.connection):
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        model = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            # Past the method of SQLite's own editor, which copies.
            BaseDatabaseSchemaEditor.add_field(schema_editor, model, model._meta.get_field(self.name))
