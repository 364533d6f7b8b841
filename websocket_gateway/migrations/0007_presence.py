"""Channels with presence: their members, and which member each connection is."""

from __future__ import annotations

import django.utils.timezone
import websocket_gateway.models.channels
import websocket_gateway.models.fields
from django.db import migrations, models

from websocket_gateway.migrations._columns import AddColumn


class Migration(migrations.Migration):
    """A new table without foreign keys, and columns that the release before need not know."""

    dependencies = [
        ("websocket_gateway", "0006_stages"),
    ]

    operations = [
        migrations.CreateModel(
            name="ChannelMember",
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
                    "member",
                    websocket_gateway.models.fields.CaseSensitiveCharField(
                        editable=False, max_length=64, verbose_name="member"
                    ),
                ),
                ("present", models.BooleanField(default=True, editable=False, verbose_name="present")),
                (
                    "generation",
                    models.BigIntegerField(
                        default=websocket_gateway.models.channels.new_generation, editable=False
                    ),
                ),
                (
                    "info",
                    models.JSONField(blank=True, default=dict, editable=False, verbose_name="information"),
                ),
                (
                    "since",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="present since"
                    ),
                ),
                ("left_on", models.DateTimeField(editable=False, null=True, verbose_name="left on")),
            ],
            options={
                "verbose_name": "channel member",
                "verbose_name_plural": "channel members",
            },
        ),
        migrations.AddField(
            model_name="channel",
            name="counted_on",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="channel",
            name="swept_on",
            field=models.DateTimeField(editable=False, null=True),
        ),
        AddColumn(
            model_name="websocketsession",
            name="presence_member",
            field=websocket_gateway.models.fields.CaseSensitiveCharField(
                blank=True, db_default="", default="", editable=False, max_length=64
            ),
        ),
        migrations.AddIndex(
            model_name="websocketsession",
            index=models.Index(fields=["presence_member", "connected"], name="wsg_session_member"),
        ),
        migrations.AddIndex(
            model_name="channelmember",
            index=models.Index(fields=["channel_name", "present", "id"], name="wsg_member_channel"),
        ),
        migrations.AddIndex(
            model_name="channelmember",
            index=models.Index(fields=["present", "left_on"], name="wsg_member_left"),
        ),
        migrations.AddConstraint(
            model_name="channelmember",
            constraint=models.UniqueConstraint(
                fields=("channel_name", "member"), name="websocket_gateway_unique_member"
            ),
        ),
    ]
