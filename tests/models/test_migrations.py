"""Migrations match the models, and a changed label is no statement on a table with a million rows."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations import AlterField, AlterModelOptions
from django.db.migrations.loader import MigrationLoader

from tests.factories import ApiGatewayFactory
from websocket_gateway.models import ApiGateway

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


def test_rows_of_before_keep_the_stage_and_the_address_that_clients_have() -> None:
    ApiGatewayFactory.create(api_name="plain", stage_name="live")
    ApiGatewayFactory.create(
        api_name="mapped", custom_domain=True, domain_name="a.example.com", mapping_key="k"
    )
    ApiGatewayFactory.create(api_name="planned", planned=True)
    names = [name for app, name in MigrationLoader(connection).disk_migrations if app == "websocket_gateway"]
    (name,) = (name for name in names if name.endswith("_stages"))

    with connection.schema_editor() as editor:
        import_module(f"websocket_gateway.migrations.{name}").keep_deployed_stages(apps, editor)

    kept = ApiGateway.objects.values_list("api_name", "deployed_stage", "deployed_address")
    assert set(kept) == {
        ("plain", "live", ""),
        ("mapped", "production", "a.example.com/k"),
        ("planned", "", ""),
    }
