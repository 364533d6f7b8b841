"""When a scheduled job last ended: one row for each job, which the next run overwrites."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class LastRun(models.Model):
    """The last run of a job. See `websocket_gateway.last_runs`."""

    name = models.CharField(max_length=64, unique=True, editable=False)
    """`purge`, or `check:` or `sync:` and the UUID of a gateway."""
    ended_on = models.DateTimeField(_("ended"), default=timezone.now, editable=False)
    found = models.PositiveIntegerField(default=0, editable=False)
    """Of a check: 1 if anything differed."""

    class Meta:
        verbose_name = _("last run")
        verbose_name_plural = _("last runs")

    def __str__(self) -> str:
        return self.name
