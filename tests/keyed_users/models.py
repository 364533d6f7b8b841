"""Users with other primary keys than numbers."""

from __future__ import annotations

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class AddressPerson(AbstractBaseUser):
    """Whose address is the primary key."""

    email = models.EmailField(primary_key=True)
    is_active = models.BooleanField(default=True)

    objects = BaseUserManager["AddressPerson"]()

    USERNAME_FIELD = "email"

    def __str__(self) -> str:
        return self.email


class UniquePerson(AbstractBaseUser):
    """Whose primary key is a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)

    objects = BaseUserManager["UniquePerson"]()

    USERNAME_FIELD = "email"

    def __str__(self) -> str:
        return self.email
