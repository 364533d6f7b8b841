"""What several view tests build."""

from __future__ import annotations

from django.contrib.auth.models import Permission, User

from tests.factories import UserFactory


def user_with(*codenames: str) -> User:
    user = UserFactory.create()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user
