"""The stage of a connection, and what of a gateway is deployed."""

from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import F

from websocket_gateway.migrations._columns import AddColumn


def keep_deployed_stages(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Keep the stages and addresses of gateways that are in AWS: so far the row named the deployed ones."""
    rows = apps.get_model("websocket_gateway", "ApiGateway").objects.using(schema_editor.connection.alias)
    rows.filter(deployed_stage="").exclude(api_id="").update(deployed_stage=F("stage_name"))
    for row in rows.filter(custom_domain_created=True).exclude(domain_name=""):
        rows.filter(pk=row.pk).update(deployed_address=f"{row.domain_name}/{row.mapping_key}".rstrip("/"))


class Migration(migrations.Migration):
    """Fields with a default in the database, so that the code of before can go on inserting rows."""

    dependencies = [("websocket_gateway", "0005_session_keys")]

    operations = [
        # First: an INSERT of a connection locks this table, then the gateway's. The other order is a deadlock.
        AddColumn(
            model_name="websocketsession",
            name="stage_name",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=128, verbose_name="stage"
            ),
        ),
        migrations.AddField(
            model_name="apigateway",
            name="deployed_stage",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=128,
                verbose_name="deployed stage",
            ),
        ),
        migrations.AddField(
            model_name="apigateway",
            name="deployed_address",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=600,
                verbose_name="deployed address",
            ),
        ),
        migrations.AddField(
            model_name="apigateway",
            name="maps_stage",
            field=models.BooleanField(
                db_default=False, default=False, editable=False, verbose_name="events say their stage"
            ),
        ),
        migrations.AddField(
            model_name="apigateway",
            name="default_endpoint_disabled",
            field=models.BooleanField(
                db_default=False, default=False, editable=False, verbose_name="default endpoint disabled"
            ),
        ),
        migrations.RunPython(keep_deployed_stages, migrations.RunPython.noop),
    ]
