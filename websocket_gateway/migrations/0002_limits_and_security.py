"""What limits keep in the row of a connection, and what security keeps in the row of a gateway."""

from __future__ import annotations

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import websocket_gateway.validators
from websocket_gateway.migrations._columns import AddColumn
from websocket_gateway.origin_secret import installation_fingerprint


def stamp_gateways(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Mark the gateways that are in AWS as applied by this installation, by the SECRET_KEY of this moment.

    Nothing is known of who applied them. Where that is wrong, `sync_routes` asks AWS and corrects the row.
    """
    rows = apps.get_model("websocket_gateway", "ApiGateway").objects.using(schema_editor.connection.alias)
    applied = rows.filter(installation="").exclude(api_id="")
    if applied.exists():  # an empty database can be migrated without a SECRET_KEY
        applied.update(installation=installation_fingerprint())


class Migration(migrations.Migration):
    """Fields with a default in the database, so that the code of before can go on inserting rows.

    But for `alternatives`: rules are written by people, in the admin of the new code.
    """

    dependencies = [("websocket_gateway", "0001_initial")]

    operations = [
        AddColumn(
            model_name="websocketsession",
            name="attempt_window_seconds",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        AddColumn(
            model_name="websocketsession",
            name="recent_messages",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        AddColumn(
            model_name="websocketsession",
            name="auth_backend",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
        AddColumn(
            model_name="websockettoken",
            name="auth_backend",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
        migrations.AddField(
            model_name="apigateway",
            name="installation",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                max_length=32,
                verbose_name="installation",
            ),
        ),
        migrations.AddField(
            model_name="apigateway",
            name="secret_generation",
            field=models.PositiveIntegerField(
                db_default=0, default=0, editable=False, verbose_name="generation of the origin secret"
            ),
        ),
        migrations.AddField(
            model_name="apigateway",
            name="secret_rotating",
            field=models.BooleanField(
                db_default=False, default=False, editable=False, verbose_name="origin secret is being rotated"
            ),
        ),
        migrations.AddField(
            model_name="channelpermission",
            name="alternatives",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="A list of lists: the user needs all permissions of one of them.",
                validators=[websocket_gateway.validators.validate_permission_sets],
                verbose_name="one of these sets of permissions",
            ),
        ),
        migrations.AddField(
            model_name="channelpermission",
            name="description",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=255, verbose_name="description"
            ),
        ),
        migrations.RunPython(stamp_gateways, migrations.RunPython.noop),
    ]
