"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig


class ChatConfig(AppConfig):
    """One chat room."""

    name = "chat"
    default_auto_field = "django.db.models.BigAutoField"
