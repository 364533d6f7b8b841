"""What limits keep in the row of a connection, and the backend that logged a user in."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Fields with a default in the database."""

    dependencies = [("websocket_gateway", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="websocketsession",
            name="attempt_window_seconds",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="websocketsession",
            name="recent_messages",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name="websocketsession",
            name="auth_backend",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
        migrations.AddField(
            model_name="websockettoken",
            name="auth_backend",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
    ]
