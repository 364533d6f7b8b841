"""The key of the Django session, encrypted, of connections and of tokens."""

from __future__ import annotations

from django.db import migrations, models

from websocket_gateway.migrations._columns import AddColumn


class Migration(migrations.Migration):
    """Fields with a default in the database, so that the code of before can go on inserting rows."""

    dependencies = [("websocket_gateway", "0004_channels")]

    operations = [
        AddColumn(
            model_name="websocketsession",
            name="session_key_sealed",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
        AddColumn(
            model_name="websockettoken",
            name="session_key_sealed",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
    ]
