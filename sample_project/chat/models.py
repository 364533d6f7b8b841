"""The messages of the chat."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

TEXT_MAX_LENGTH = 2_000
KEY_MAX_LENGTH = 64


class Message(models.Model):
    """One message in a room."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="messages")
    room = models.CharField(max_length=64, default="lobby", db_index=True)
    text = models.CharField(max_length=TEXT_MAX_LENGTH)
    key = models.CharField(max_length=KEY_MAX_LENGTH, blank=True)
    """Chosen by the page that sent the message, to recognise it."""
    sent_on = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Message]] = models.Manager()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.text

    def as_frame(self) -> dict[str, Any]:
        """Return the frame for the browser."""
        return {
            "type": "message",
            "id": self.pk,
            "room": self.room,
            "key": self.key,
            "author": self.author.get_username(),
            "text": self.text,
            "sent_on": self.sent_on,
        }
