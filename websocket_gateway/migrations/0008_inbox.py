"""Inboxes: up to which message each user has acknowledged a channel."""

from __future__ import annotations

import django.db.models.deletion
import django.utils.timezone
import websocket_gateway.models.fields
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """A new table, which the release before need not know."""

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("websocket_gateway", "0007_presence"),
    ]

    operations = [
        migrations.CreateModel(
            name="ChannelCursor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "channel_name",
                    websocket_gateway.models.fields.CaseSensitiveCharField(
                        editable=False, max_length=191, verbose_name="channel"
                    ),
                ),
                (
                    "epoch",
                    websocket_gateway.models.fields.CaseSensitiveCharField(
                        editable=False, max_length=12, verbose_name="epoch"
                    ),
                ),
                ("acked_offset", models.BigIntegerField(editable=False, verbose_name="acknowledged up to")),
                (
                    "updated_on",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="updated on"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "channel cursor",
                "verbose_name_plural": "channel cursors",
            },
        ),
        migrations.AddConstraint(
            model_name="channelcursor",
            constraint=models.UniqueConstraint(
                fields=("user", "channel_name"), name="websocket_gateway_unique_cursor"
            ),
        ),
    ]
