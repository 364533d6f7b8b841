"""Broadcasts: their audience, message and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models
from websocket_gateway.admin.listing import BoundedList
from websocket_gateway.admin.live_figures import describe_recipients, describe_starter

if TYPE_CHECKING:
    _RunAdmin = admin.ModelAdmin[models.BroadcastRun]
else:
    _RunAdmin = admin.ModelAdmin

_SHOWN_CHARACTERS = 2_000


@admin.register(models.BroadcastRun)
class BroadcastRunAdmin(BoundedList, _RunAdmin):
    """Broadcasts of every origin, read-only. The live overview has the page to send one."""

    list_display = (
        "__str__",
        "to",
        "by",
        "state",
        "delivered_to",
        "failed_for",
        "created_on",
    )
    list_filter = ("origin", "state")
    list_select_related = ("user", "started_by")
    search_fields = ("channel_name__exact",)
    search_hint = _("The whole name of a channel.")
    sortable_by = ()
    ordering = ("-pk",)
    fields = (
        "audience",
        "channel_name",
        "user",
        "origin",
        "started_by",
        "state",
        "number",
        "figures",
        "failures",
        "text",
        "pace",
        "created_on",
        "finished_on",
        "lasted",
    )
    readonly_fields = ("number", "figures", "failures", "text", "pace", "lasted")

    @admin.display(description=_("recipients"))
    def number(self, run: models.BroadcastRun) -> str:
        """Return the number of recipients."""
        return f"{run.recipients:,}"

    @admin.display(description=_("maximum messages per second"))
    def pace(self, run: models.BroadcastRun) -> str:
        """Return the limit of the whole broadcast in words."""
        return f"{run.max_per_second:,g}" if run.max_per_second else str(_("no limit"))

    @admin.display(description=_("figures"))
    def figures(self, run: models.BroadcastRun) -> str:
        """Return the sums over the shards."""
        text = _("%(delivered)s delivered, %(gone)s gone, %(failed)s failed, %(retried)s retried")
        names = ("delivered", "gone", "failed", "retried")
        return str(text % {name: f"{_figure_of(run, name):,}" for name in names})

    @admin.display(description=_("reasons of failures"))
    def failures(self, run: models.BroadcastRun) -> str:
        """Return the reasons, the most frequent first."""
        from websocket_gateway.sending import summarize  # imported when a run is shown: a process starts fast

        reasons = summarize(run.pk).report.reasons
        return "\n".join(f"{count} x {reason}" for reason, count in reasons.items()) or "\u2013"

    @admin.display(description=_("message"))
    def text(self, run: models.BroadcastRun) -> str:
        """Return the first characters of the message as text. A record has no message."""
        if run.delivered is not None:
            return str(_("not kept"))
        return bytes(run.message).decode(errors="replace")[:_SHOWN_CHARACTERS]

    def get_queryset(self, request: HttpRequest) -> QuerySet[models.BroadcastRun]:
        """Leave out the messages, each of which may have 128 KB, and add the sums over the shards."""
        from websocket_gateway.sending.summaries import with_sums

        return with_sums(super().get_queryset(request).defer("message"))

    @admin.display(description=_("to"))
    def to(self, run: models.BroadcastRun) -> str:
        """Return the audience in words."""
        return describe_recipients(run)

    @admin.display(description=_("started in"))
    def by(self, run: models.BroadcastRun) -> str:
        """Return where it was started, and the user who started it."""
        return describe_starter(run)

    @admin.display(description=_("delivered"))
    def delivered_to(self, run: models.BroadcastRun) -> str:
        """Return the numbers of deliveries and of recipients."""
        delivered = _figure_of(run, "delivered")
        return str(_("%(delivered)s of %(recipients)s")) % {
            "delivered": f"{delivered:,}",
            "recipients": f"{max(run.recipients, delivered):,}",
        }

    @admin.display(description=_("failed"))
    def failed_for(self, run: models.BroadcastRun) -> str:
        """Return the number of failures, marked if there are any."""
        failed = _figure_of(run, "failed")
        return format_html('<strong class="wsg-failed">{}</strong>', failed) if failed else "0"

    @admin.display(description=_("seconds"))
    def lasted(self, run: models.BroadcastRun) -> str:
        """Return the time from start to end."""
        if run.finished_on is None:
            return "\u2013"
        return f"{(run.finished_on - run.created_on).total_seconds():,.1f}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sending has its own page."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.BroadcastRun | None = None) -> bool:
        """A broadcast is not edited after it was sent."""
        return False


def _figure_of(run: models.BroadcastRun, name: str) -> int:
    from websocket_gateway.sending.summaries import figure_of

    return figure_of(run, name)
