"""Broadcasts: their audience, message and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models

if TYPE_CHECKING:
    from websocket_gateway.sending import DeliveryReport

if TYPE_CHECKING:
    _RunAdmin = admin.ModelAdmin[models.BroadcastRun]
else:
    _RunAdmin = admin.ModelAdmin

_SHOWN_CHARACTERS = 2_000


@admin.register(models.BroadcastRun)
class BroadcastRunAdmin(_RunAdmin):
    """Broadcasts are read-only here. The live overview has the page to send one."""

    list_display = (
        "__str__",
        "audience",
        "channel_name",
        "user",
        "state",
        "recipients",
        "created_on",
        "finished_on",
    )
    list_filter = ("state",)
    list_select_related = ("user",)
    ordering = ("-pk",)
    fields = (
        "audience",
        "channel_name",
        "user",
        "started_by",
        "state",
        "recipients",
        "figures",
        "reasons",
        "text",
        "max_per_second",
        "created_on",
        "finished_on",
    )
    readonly_fields = ("figures", "reasons", "text")

    @admin.display(description=_("figures"))
    def figures(self, run: models.BroadcastRun) -> str:
        """Return the sums over the shards."""
        report = _report(run)
        text = _("%(delivered)d delivered, %(gone)d gone, %(failed)d failed, %(retried)d retried")
        names = ("delivered", "gone", "failed", "retried")
        return str(text % {name: getattr(report, name) for name in names})

    @admin.display(description=_("reasons of failures"))
    def reasons(self, run: models.BroadcastRun) -> str:
        """Return the reasons, the most frequent first."""
        reasons = _report(run).reasons
        return "\n".join(f"{count} x {reason}" for reason, count in reasons.items()) or "\u2013"

    @admin.display(description=_("message"))
    def text(self, run: models.BroadcastRun) -> str:
        """Return the first characters of the message as text."""
        return bytes(run.message).decode(errors="replace")[:_SHOWN_CHARACTERS]

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.BroadcastRun]:
        """Leave out the messages, each of which may have 128 KB."""
        return super().get_queryset(request).defer("message")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sending has its own page."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.BroadcastRun | None = None) -> bool:
        """A broadcast is not edited after it was sent."""
        return False


def _report(run: models.BroadcastRun) -> DeliveryReport:
    from websocket_gateway.sending import summarize  # imported when a run is shown: a process starts fast

    return summarize(run.pk).report
