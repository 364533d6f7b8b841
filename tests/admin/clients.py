"""People in front of the admin."""

from __future__ import annotations

from html import unescape
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from tests.factories import UserFactory

MODELS = tuple(
    str(model._meta.model_name)
    for model in admin.site._registry
    if model._meta.app_label == "websocket_gateway"
)
"""Every model that the admin shows: a new one is tried without being named."""


def client_with(*codenames: str, superuser: bool = False) -> Client:
    """Somebody of the staff with these permissions, logged in."""
    user = UserFactory.create(staff=True, superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


def address(name: str, *args: Any) -> str:
    """The path of an admin page."""
    return reverse(f"admin:websocket_gateway_{name}", args=args)


def text_of(answer: Any) -> str:
    """The page as a person reads it."""
    return unescape(answer.content.decode())


def act(client: Client, action: str, *rows: Any, **fields: str) -> Any:
    """Do an action to rows of one model, and see where that leads."""
    name = f"{rows[0]._meta.model_name}_changelist"
    chosen = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(address(name), {**chosen, **fields}, follow=True)
