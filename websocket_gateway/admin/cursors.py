"""What users have acknowledged in channels with `ACKS`; read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from websocket_gateway.admin.histories import ReadOnly
from websocket_gateway.admin.listing import BoundedList
from websocket_gateway.channels.heads import read_heads
from websocket_gateway.models import ChannelCursor

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

    _CursorAdmin = admin.ModelAdmin[ChannelCursor]
else:
    _CursorAdmin = admin.ModelAdmin


@admin.register(ChannelCursor)
class ChannelCursorAdmin(BoundedList, ReadOnly, _CursorAdmin):
    """How far each user is in each channel, the latest change first."""

    list_display = ("channel_name", "user", "acked_offset", "unread", "updated_on")
    list_select_related = ("user",)
    search_fields = ("=channel_name",)
    ordering = ("-pk",)
    list_per_page = 25
    fields = ("channel_name", "user", "acked_offset", "unread", "updated_on")
    readonly_fields = ("unread",)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Count what is unread in all inboxes of the page by one query."""
        changes = super().get_changelist_instance(request)
        rows = list(changes.result_list)
        users = {row.channel_name: row.user_id for row in rows}
        shared = {row.channel_name for row in rows if users[row.channel_name] != row.user_id}
        own = {name: user for name, user in users.items() if name not in shared}
        heads = read_heads(list(own), readers=list(own.values())) if own else {}
        for row in rows:
            if row.channel_name in heads:
                row.number_unread = heads[row.channel_name].unread
        changes.result_list = rows
        return changes

    @admin.display(description=_("unread"))
    def unread(self, cursor: ChannelCursor) -> int:
        """Return the number of messages that the user has not acknowledged and can still get."""
        known: int | None = getattr(cursor, "number_unread", None)
        if known is not None:
            return known
        return read_heads([cursor.channel_name], readers=[cursor.user_id])[cursor.channel_name].unread
