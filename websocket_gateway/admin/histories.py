"""Channels with a history or with presence, their messages and members; all are read-only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from websocket_gateway.admin.access import FORGET_HISTORY, record
from websocket_gateway.admin.listing import BoundedList
from websocket_gateway.admin.reporting import in_lines
from websocket_gateway.channels import history
from websocket_gateway.models import Channel, ChannelMember, ChannelMessage

if TYPE_CHECKING:
    from django.db.models import Model

    _ChannelAdmin = admin.ModelAdmin[Channel]
    _MessageAdmin = admin.ModelAdmin[ChannelMessage]
    _MemberAdmin = admin.ModelAdmin[ChannelMember]
else:
    _ChannelAdmin = _MessageAdmin = _MemberAdmin = admin.ModelAdmin

_SHOWN_CHARACTERS = 2_000


class ReadOnly:
    """Rows that only publishing and purging write."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows are made by publishing."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """What was published stays as it was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A row that is missing would be a gap: a history is forgotten as a whole."""
        return False


@admin.register(Channel)
class ChannelAdmin(BoundedList, ReadOnly, _ChannelAdmin):
    """Channels with a history: their latest offset, and what is kept."""

    list_display = ("name", "last_offset", "kept", "oldest", "published_on")
    search_fields = ("name__startswith",)
    ordering = ("name",)
    list_per_page = 50
    fields = ("name", "epoch", "last_offset", "kept", "oldest", "published_on", "created_on")
    readonly_fields = ("kept", "oldest")
    actions = ("forget_history",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        """Count the messages of each channel on the page."""
        of_channel = ChannelMessage.objects.filter(channel_name=OuterRef("name")).order_by()
        grouped = of_channel.values("channel_name").annotate(number=Count("pk"), first=Min("created_on"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                number_kept=Subquery(grouped.values("number")), oldest_kept=Subquery(grouped.values("first"))
            )
        )

    @admin.display(description=_("kept"))
    def kept(self, channel: Channel) -> int:
        """Return the number of messages in the table."""
        return getattr(channel, "number_kept", None) or 0

    @admin.display(description=_("oldest"))
    def oldest(self, channel: Channel) -> str:
        """Return the time of the oldest message in the table."""
        found = getattr(channel, "oldest_kept", None)
        if found is None:
            return "\u2013"
        return date_format(localtime(found) if is_aware(found) else found, "DATETIME_FORMAT")

    def has_forget_permission(self, request: HttpRequest) -> bool:
        """Forgetting a history deletes its messages, so it needs the permission to delete the channel."""
        return request.user.has_perm(FORGET_HISTORY)

    @admin.action(permissions=["forget"], description=_("Forget history"))
    def forget_history(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """Delete the messages of the selected channels and begin a new epoch in each."""
        forgotten = 0
        for channel in queryset:
            if history.forget(channel.name):
                forgotten += 1
                record(self, request, channel, "Forgot the history")
        text = ngettext(
            "Forgot the history of %(count)d channel; its clients are told.",
            "Forgot the histories of %(count)d channels; their clients are told.",
            forgotten,
        )
        self.message_user(request, text % {"count": forgotten}, messages.SUCCESS)


@admin.register(ChannelMessage)
class ChannelMessageAdmin(BoundedList, ReadOnly, _MessageAdmin):
    """The messages of channels with a history, the latest first."""

    list_display = ("__str__", "channel_name", "offset", "created_on")
    search_fields = ("channel_name__exact",)
    search_hint = _("The whole name of a channel.")
    ordering = ("-pk",)
    fields = ("channel_name", "offset", "preview", "created_on")
    readonly_fields = ("preview",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChannelMessage]:
        """Leave out the bodies, each of which may have 128 KB."""
        return super().get_queryset(request).defer("body")

    @admin.display(description=_("message"))
    def preview(self, message: ChannelMessage) -> str:
        """Return the message as indented JSON, as far as it is shown."""
        text = json.dumps(json.loads(bytes(message.body)), indent=2, ensure_ascii=False)
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}\u2026"
        return format_html('<pre class="wsg-json">{}</pre>', shown)


@admin.register(ChannelMember)
class ChannelMemberAdmin(BoundedList, ReadOnly, _MemberAdmin):
    """The members of channels with presence, those who came last first. Search for a channel by its name."""

    list_display = ("channel_name", "member", "present", "since", "left_on")
    list_filter = ("present",)
    search_fields = ("channel_name__exact",)
    search_hint = _("The whole name of a channel.")
    ordering = ("-pk",)
    fields = ("channel_name", "member", "present", "information", "since", "left_on")
    readonly_fields = ("information",)

    @admin.display(description=_("information"))
    def information(self, member: ChannelMember) -> str:
        """Return what others see about the member."""
        return in_lines(member.info)
