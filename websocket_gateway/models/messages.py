"""Messages that were handled already, for views that handle each message once."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from websocket_gateway.models.fields import CaseSensitiveCharField


class HandledMessage(models.Model):
    """One message of one client, by its hash. A second INSERT of the same message fails."""

    key = CaseSensitiveCharField(max_length=64, unique=True, editable=False)
    """SHA-256 over user, `_ws.client` and `_ws.id`."""
    created_on = models.DateTimeField(_("handled on"), default=timezone.now, db_index=True)

    class Meta:
        verbose_name = _("handled message")
        verbose_name_plural = _("handled messages")

    def __str__(self) -> str:
        return f"message {self.pk}"
