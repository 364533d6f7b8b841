"""What was said."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

TEXT_MAX_LENGTH = 2_000


class Message(models.Model):
    """One line of the chat."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="messages")
    text = models.CharField(max_length=TEXT_MAX_LENGTH)
    sent_on = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[Message]] = models.Manager()

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.text

    def as_frame(self) -> dict[str, Any]:
        """What the browser is sent."""
        return {
            "type": "message",
            "id": self.pk,
            "author": self.author.get_username(),
            "text": self.text,
            "sent_on": self.sent_on,
        }
