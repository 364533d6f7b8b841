"""The Django app `chat`."""

from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """The configuration of the app."""

    name = "chat"
    default_auto_field = "django.db.models.BigAutoField"
