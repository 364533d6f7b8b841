"""Counts of refusals."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from websocket_gateway.models.fields import CaseSensitiveCharField


class RefusalCount(models.Model):
    """The number of refusals by one rule of the security log in one hour, of all processes together."""

    hour = models.DateTimeField(_("hour"), editable=False)
    """Its beginning."""
    rule = CaseSensitiveCharField(_("rule"), max_length=64, editable=False)
    """One of `security_log.EVENTS`, which is a closed set."""
    number = models.PositiveBigIntegerField(_("number"), default=0, editable=False)

    class Meta:
        verbose_name = _("count of refusals")
        verbose_name_plural = _("counts of refusals")
        constraints = (
            models.UniqueConstraint(fields=("hour", "rule"), name="websocket_gateway_unique_refusals"),
        )

    def __str__(self) -> str:
        return f"{self.rule}, {self.hour:%Y-%m-%d %H:%M}"
