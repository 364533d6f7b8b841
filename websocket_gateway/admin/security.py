"""Who may come in: rules for channels, counters of attempts, connect tokens."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from websocket_gateway import models
from websocket_gateway.admin.access import record
from websocket_gateway.admin.fields import ChannelPermissionForm


@admin.register(models.ChannelPermission)
class ChannelPermissionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Who may join which channels."""

    form = ChannelPermissionForm
    list_display = ("channel_name", "audience", "any_of", "all_of")
    list_filter = ("audience",)
    search_fields = ("channel_name",)


@admin.register(models.ConnectionRateLimit)
class ConnectionRateLimitAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Counters of attempts; unblocking one lets its user or address in again at once."""

    list_display = ("key", "who", "attempts", "window_start")
    search_fields = ("key",)
    ordering = ("-window_start",)
    show_full_result_count = False
    actions = ("unblock",)

    @admin.display(description=_("counts"))
    def who(self, row: models.ConnectionRateLimit) -> str:
        """The user or the address that is counted, in words."""
        *_rest, kind, value = ("", "", *row.key.split(":", 3)[2:])
        if kind == "user":
            return str(_("user %s") % _name_of_user(value))
        return str(_("address %s") % value) if kind in ("ip", "anonymous") else "\u2013"

    @admin.action(permissions=["delete"], description=_("Unblock: forget the attempts"))
    def unblock(self, request: HttpRequest, queryset: QuerySet[models.ConnectionRateLimit]) -> None:
        """Forget the counted attempts."""
        rows = list(queryset)
        for row in rows:
            record(self, request, row, f"Unblocked {row.key} after {row.attempts} attempts")
        models.ConnectionRateLimit.objects.filter(pk__in=[row.pk for row in rows]).delete()
        done = ngettext("%d may try again at once.", "%d may try again at once.", len(rows)) % len(rows)
        self.message_user(request, done, messages.SUCCESS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only attempts are counted."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for adding."""
        return False


def _name_of_user(pk: str) -> str:
    try:
        user = get_user_model()._default_manager.filter(pk=pk).first()
    except (ValueError, TypeError):
        user = None
    return user.get_username() if user is not None else pk


@admin.register(models.WebSocketToken)
class WebSocketTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Connect tokens: for whom, and whether they still open anything. Neither token nor hash is shown."""

    list_display = ("__str__", "user", "created_on", "expires_on", "state")
    fields = ("user", "created_on", "expires_on", "used_on", "state")
    readonly_fields = ("state",)
    list_select_related = ("user",)
    ordering = ("-pk",)
    search_fields = (f"user__{get_user_model().USERNAME_FIELD}__exact",)
    show_full_result_count = False

    @admin.display(description=_("state"))
    def state(self, token: models.WebSocketToken) -> str:
        """Whether it still opens anything."""
        if token.used_on is not None:
            return str(_("used"))
        return str(_("expired") if token.expires_on <= timezone.now() else _("can be used"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A token is shown once, to the one who asked for it."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for adding."""
        return False
