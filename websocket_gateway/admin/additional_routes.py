"""Additional routes, edited on the page of their gateway."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from websocket_gateway import models
from websocket_gateway.admin.access import PROVISION


class AdditionalRouteInline(admin.StackedInline):  # type: ignore[type-arg]
    """Routes, edited with their gateway, only by users who may change where AWS sends events."""

    model = models.ApiGatewayAdditionalRoute
    extra = 0
    readonly_fields = ("deployed",)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A route's URL receives the origin secret, so adding one needs the permission to provision."""
        return super().has_add_permission(request, obj) and request.user.has_perm(PROVISION)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """As for adding."""
        return super().has_change_permission(request, obj) and request.user.has_perm(PROVISION)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """As for adding."""
        return super().has_delete_permission(request, obj) and request.user.has_perm(PROVISION)
