"""The room of a message, and the key by which a page recognises its own message."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Two columns."""

    dependencies = [
        ("chat", "0002_demo_users"),
    ]

    operations = [
        migrations.AddField(
            model_name="message",
            name="key",
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name="message",
            name="room",
            field=models.CharField(db_index=True, default="lobby", max_length=64),
        ),
    ]
