"""What limits keep in the row of a connection."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two counters with a default in the database."""

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
    ]
