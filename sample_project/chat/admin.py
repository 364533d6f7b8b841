"""The messages of the chat in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from chat.models import Message

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Message]
else:
    _ModelAdmin = admin.ModelAdmin


@admin.register(Message)
class MessageAdmin(_ModelAdmin):
    """Read, edit and delete messages."""

    list_display = ("text", "author", "sent_on")
    list_select_related = ("author",)
    search_fields = ("text", "author__username")
    date_hierarchy = "sent_on"
