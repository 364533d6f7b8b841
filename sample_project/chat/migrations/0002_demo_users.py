"""Create the two users of the login page."""

from __future__ import annotations

from django.apps.registry import Apps
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from chat.users import DEMO_USERS


def create_users(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the users that do not exist yet."""
    users = apps.get_model(settings.AUTH_USER_MODEL)
    for user in DEMO_USERS:
        users.objects.get_or_create(
            username=user.username,
            defaults={
                "password": make_password(user.password),
                "is_staff": user.is_staff,
                "is_superuser": user.is_staff,
            },
        )


class Migration(migrations.Migration):
    """Data only. Reversing it keeps the users."""

    dependencies = [
        ("chat", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [migrations.RunPython(create_users, migrations.RunPython.noop)]
