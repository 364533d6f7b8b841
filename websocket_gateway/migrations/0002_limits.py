"""What limits keep in the row of a connection; alternatives and a description of a channel's rule."""

from __future__ import annotations

from django.db import migrations, models

import websocket_gateway.validators


class Migration(migrations.Migration):
    """Two counters with a default in the database, and two fields of rules, which only people write."""

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
            field=models.CharField(blank=True, default="", max_length=255, verbose_name="description"),
        ),
    ]
