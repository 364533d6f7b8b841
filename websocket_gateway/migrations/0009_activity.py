"""Where broadcasts were started, records of those without shards, and counts of refusals by hour."""

from __future__ import annotations

import websocket_gateway.models.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    """A new table, and columns that the release before need not know."""

    dependencies = [
        ("websocket_gateway", "0008_inbox"),
    ]

    operations = [
        migrations.AddField(
            model_name="broadcastrun",
            name="delivered",
            field=models.PositiveBigIntegerField(
                blank=True, editable=False, null=True, verbose_name="delivered"
            ),
        ),
        migrations.AddField(
            model_name="broadcastrun",
            name="failed",
            field=models.PositiveBigIntegerField(
                blank=True, editable=False, null=True, verbose_name="failed"
            ),
        ),
        migrations.AddField(
            model_name="broadcastrun",
            name="gone",
            field=models.PositiveBigIntegerField(blank=True, editable=False, null=True, verbose_name="gone"),
        ),
        migrations.AddField(
            model_name="broadcastrun",
            name="origin",
            field=models.CharField(
                blank=True,
                choices=[("admin", "admin"), ("command", "command"), ("code", "code")],
                db_default="",
                default="",
                max_length=16,
                verbose_name="started in",
            ),
        ),
        migrations.AddField(
            model_name="broadcastrun",
            name="reasons",
            field=models.JSONField(blank=True, editable=False, null=True, verbose_name="reasons of failures"),
        ),
        migrations.AlterField(
            model_name="broadcastrun",
            name="audience",
            field=models.CharField(
                choices=[
                    ("channel", "channel"),
                    ("user", "user"),
                    ("everyone", "everyone"),
                    ("connections", "some connections"),
                    ("query", "a selection of sessions"),
                ],
                max_length=16,
                verbose_name="audience",
            ),
        ),
        migrations.CreateModel(
            name="RefusalCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField(editable=False, verbose_name="hour")),
                (
                    "rule",
                    websocket_gateway.models.fields.CaseSensitiveCharField(
                        editable=False, max_length=64, verbose_name="rule"
                    ),
                ),
                ("number", models.PositiveBigIntegerField(default=0, editable=False, verbose_name="number")),
            ],
            options={
                "verbose_name": "count of refusals",
                "verbose_name_plural": "counts of refusals",
                "constraints": [
                    models.UniqueConstraint(fields=("hour", "rule"), name="websocket_gateway_unique_refusals")
                ],
            },
        ),
        migrations.AddIndex(
            model_name="broadcastrun",
            index=models.Index(fields=["origin", "id"], name="wsg_run_origin"),
        ),
        migrations.AddIndex(
            model_name="broadcastrun",
            index=models.Index(fields=["channel_name", "id"], name="wsg_run_channel"),
        ),
    ]
