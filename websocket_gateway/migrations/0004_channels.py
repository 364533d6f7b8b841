"""Channels with a history, and their messages."""

from __future__ import annotations

import django.utils.timezone
from django.db import migrations, models

import websocket_gateway.models.channels
from websocket_gateway.models.fields import CaseSensitiveCharField


class Migration(migrations.Migration):
    """Two new tables, without foreign keys."""

    dependencies = [("websocket_gateway", "0003_labels")]

    operations = [
        migrations.CreateModel(
            name="Channel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", CaseSensitiveCharField(max_length=191, unique=True, verbose_name="channel")),
                (
                    "epoch",
                    CaseSensitiveCharField(
                        default=websocket_gateway.models.channels.new_epoch,
                        editable=False,
                        max_length=12,
                        verbose_name="epoch",
                    ),
                ),
                (
                    "last_offset",
                    models.BigIntegerField(default=0, editable=False, verbose_name="last offset"),
                ),
                (
                    "published_on",
                    models.DateTimeField(
                        db_index=True, editable=False, null=True, verbose_name="last published"
                    ),
                ),
                (
                    "created_on",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="created on"
                    ),
                ),
            ],
            options={"verbose_name": "channel", "verbose_name_plural": "channels"},
        ),
        migrations.CreateModel(
            name="ChannelMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "channel_name",
                    CaseSensitiveCharField(editable=False, max_length=191, verbose_name="channel"),
                ),
                ("offset", models.BigIntegerField(editable=False, null=True, verbose_name="offset")),
                ("body", models.BinaryField(verbose_name="message")),
                (
                    "created_on",
                    models.DateTimeField(
                        db_index=True,
                        default=django.utils.timezone.now,
                        editable=False,
                        verbose_name="published on",
                    ),
                ),
            ],
            options={
                "verbose_name": "channel message",
                "verbose_name_plural": "channel messages",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("channel_name", "offset"), name="websocket_gateway_unique_offset"
                    )
                ],
            },
        ),
    ]
