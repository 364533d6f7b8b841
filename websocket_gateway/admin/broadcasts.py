"""Broadcasts: what was sent to whom, and how it went."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models
from websocket_gateway.sending.summaries import summarize

_SHOWN_CHARACTERS = 2_000


@admin.register(models.BroadcastRun)
class BroadcastRunAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To be read; sending is on the page of the live overview."""

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
        """What its parts add up to."""
        report = summarize(run.pk).report
        said = _("%(delivered)d delivered, %(gone)d gone, %(failed)d failed, %(retried)d retried")
        names = ("delivered", "gone", "failed", "retried")
        return str(said % {name: getattr(report, name) for name in names})

    @admin.display(description=_("why some failed"))
    def reasons(self, run: models.BroadcastRun) -> str:
        """The reasons, the most frequent first."""
        reasons = summarize(run.pk).report.reasons
        return "\n".join(f"{count} x {reason}" for reason, count in reasons.items()) or "\u2013"

    @admin.display(description=_("message"))
    def text(self, run: models.BroadcastRun) -> str:
        """Its beginning, as text."""
        return bytes(run.message).decode(errors="replace")[:_SHOWN_CHARACTERS]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without the messages, each of which may have 128 KB."""
        return super().get_queryset(request).defer("message")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sending is on a page of its own."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was sent was sent."""
        return False
