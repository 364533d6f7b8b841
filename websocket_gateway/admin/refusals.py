"""Counts of refusals by rule and hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models
from websocket_gateway.admin.listing import BoundedList

if TYPE_CHECKING:
    _RefusalAdmin = admin.ModelAdmin[models.RefusalCount]
else:
    _RefusalAdmin = admin.ModelAdmin


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
