"""When the purge, a check and a sync last ended."""

from __future__ import annotations

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    """A new table, which the release before does not use."""

    dependencies = [
        ("websocket_gateway", "0009_activity"),
    ]

    operations = [
        migrations.CreateModel(
            name="LastRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(editable=False, max_length=64, unique=True)),
                (
                    "ended_on",
                    models.DateTimeField(
                        default=django.utils.timezone.now, editable=False, verbose_name="ended"
                    ),
                ),
                ("found", models.PositiveIntegerField(default=0, editable=False)),
            ],
            options={
                "verbose_name": "last run",
                "verbose_name_plural": "last runs",
            },
        ),
    ]
