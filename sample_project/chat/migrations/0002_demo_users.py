"""Make the two users that the login page names."""

from __future__ import annotations

from django.apps.registry import Apps
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from chat.users import DEMO_USERS


def create_users(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create those who are not there yet."""
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
    """Data only; going back leaves the users."""

    dependencies = [
        ("chat", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [migrations.RunPython(create_users, migrations.RunPython.noop)]
