"""Access of clients: rules for channels, counters of attempts and of refusals, connect tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from websocket_gateway import models
from websocket_gateway.admin.access import record
from websocket_gateway.admin.forms import ChannelPermissionForm
from websocket_gateway.admin.listing import BoundedList
from websocket_gateway.admin.permission_fields import in_words

if TYPE_CHECKING:
    _RuleAdmin = admin.ModelAdmin[models.ChannelPermission]
    _RateLimitAdmin = admin.ModelAdmin[models.ConnectionRateLimit]
    _TokenAdmin = admin.ModelAdmin[models.WebSocketToken]
    _RefusalAdmin = admin.ModelAdmin[models.RefusalCount]
else:
    _RuleAdmin = _RateLimitAdmin = _TokenAdmin = _RefusalAdmin = admin.ModelAdmin


@admin.register(models.ChannelPermission)
class ChannelPermissionAdmin(_RuleAdmin):
    """Rules that decide which users may join a channel."""

    form = ChannelPermissionForm
    fields = ("channel_name", "audience", "any_of", "all_of", "alternatives", "description")
    list_display = ("channel_name", "audience", "rule", "description")
    list_filter = ("audience",)
    search_fields = ("channel_name", "description")

    readonly_fields = ("rule",)

    def get_fields(
        self, request: HttpRequest, obj: models.ChannelPermission | None = None
    ) -> tuple[str, ...]:
        """Show the permissions in words to users who cannot edit them."""
        if self.has_change_permission(request, obj) or obj is None:
            return self.fields
        return ("channel_name", "audience", "rule", "description")

    @admin.display(description=_("permissions"))
    def rule(self, row: models.ChannelPermission) -> str:
        """Return the permissions in words, such as `(a and b) or c`."""
        return in_words(row.all_of, row.any_of, row.alternatives) or "\u2013"


@admin.register(models.ConnectionRateLimit)
class ConnectionRateLimitAdmin(BoundedList, _RateLimitAdmin):
    """Counters of attempts. After unblocking one, its user or address can connect again at once."""

    list_display = ("key", "counted", "attempts", "window_start")
    search_fields = ("key",)
    ordering = ("-window_start",)
    actions = ("unblock",)
    fields = ("key", "counted", "attempts", "window_start")
    readonly_fields = fields

    @admin.display(description=_("counts"))
    def counted(self, row: models.ConnectionRateLimit) -> str:
        """Return the user or the address that is counted."""
        *_rest, kind, value = ("", "", *row.key.split(":", 3)[2:])
        if kind == "user":
            return str(_("user %s") % _name_of_user(value))
        return str(_("address %s") % value) if kind in ("ip", "anonymous") else "\u2013"

    @admin.action(permissions=["delete"], description=_("Unblock: delete the counters"))
    def unblock(self, request: HttpRequest, queryset: QuerySet[models.ConnectionRateLimit]) -> None:
        """Delete the selected counters."""
        rows = list(queryset)
        for row in rows:
            after = ngettext("after %d attempt", "after %d attempts", row.attempts) % row.attempts
            record(self, request, row, f"Unblocked {row.key} {after}")
        models.ConnectionRateLimit.objects.filter(pk__in=[row.pk for row in rows]).delete()
        done = ngettext(
            "%d counter was deleted. New attempts are possible at once.",
            "%d counters were deleted. New attempts are possible at once.",
            len(rows),
        )
        self.message_user(request, done % len(rows), messages.SUCCESS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Counters are created by connection attempts only."""
        return False

    def has_change_permission(
        self, request: HttpRequest, obj: models.ConnectionRateLimit | None = None
    ) -> bool:
        """Counters are not edited."""
        return False


def _name_of_user(pk: str) -> str:
    try:
        user = get_user_model()._default_manager.filter(pk=pk).first()
    except (ValueError, TypeError, ValidationError):
        user = None
    return user.get_username() if user is not None else pk


@admin.register(models.WebSocketToken)
class WebSocketTokenAdmin(BoundedList, _TokenAdmin):
    """Connect tokens, with their user and state. Neither token nor hash is shown."""

    list_display = ("__str__", "user", "created_on", "expires_on", "state")
    fields = ("user", "created_on", "expires_on", "used_on", "state")
    readonly_fields = ("state",)
    list_select_related = ("user",)
    ordering = ("-pk",)
    search_fields = (f"user__{get_user_model().USERNAME_FIELD}__exact",)

    @admin.display(description=_("state"))
    def state(self, token: models.WebSocketToken) -> str:
        """Return whether it can still be used."""
        if token.used_on is not None:
            return str(_("used"))
        return str(_("expired") if token.is_spent(timezone.now()) else _("can be used"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A token is shown only once, in the response to its request."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.WebSocketToken | None = None) -> bool:
        """Tokens are not edited."""
        return False


@admin.register(models.RefusalCount)
class RefusalCountAdmin(BoundedList, _RefusalAdmin):
    """Refusals by rule of the security log and by hour, if `ACTIVITY_RETENTION_DAYS` is set. Read-only."""

    list_display = ("hour", "rule", "number")
    list_display_links = None
    fields = readonly_fields = ("hour", "rule", "number")
    search_fields = ("rule__exact",)
    search_hint = _("The whole name of a rule, as in the security log.")
    ordering = ("-hour", "rule")
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refusals are counted by processes only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.RefusalCount | None = None) -> bool:
        """Counts are not edited."""
        return False
