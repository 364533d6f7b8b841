"""Sessions: the connections, and the actions on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth import get_permission_codename, get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models
from websocket_gateway.admin.listing import MOST_LISTED, BoundedList
from websocket_gateway.admin.overview import Overview
from websocket_gateway.admin.session_actions import SessionActions
from websocket_gateway.admin.session_list import (
    EVERY,
    AgeFilter,
    GatewayFilter,
    StateFilter,
    UserFilter,
    found_by,
    ordering_of,
)
from websocket_gateway.admin.user_pages import link_user_pages

if TYPE_CHECKING:
    from django.contrib.admin.options import _ListDisplayT


@admin.register(models.WebSocketSession)
class WebSocketSessionAdmin(BoundedList, Overview, SessionActions):
    """Sessions are created and ended by events. They are read-only here, except for the actions."""

    list_display = (
        "connection_id",
        "user",
        "channel_name",
        "api_gateway",
        "created_on",
        "last_seen_on",
    )
    list_filter = (StateFilter, UserFilter, GatewayFilter, AgeFilter)
    list_select_related = ("user", "api_gateway")
    list_per_page = 50
    sortable_by = ()
    search_fields = ("connection_id__exact",)
    search_hint = _("A whole connection id or channel, or a part of a user name or e-mail address.")
    fields = (
        "connection_id",
        "connected",
        "user",
        "api_gateway",
        "channel_name",
        "subscribed_to",
        "created_on",
        "last_seen_on",
        "disconnected_on",
    )
    readonly_fields = ("subscribed_to",)

    @admin.display(description=_("subscribed to"))
    def subscribed_to(self, session: models.WebSocketSession) -> str:
        """Return the channels other than the primary one."""
        names = session.subscriptions.order_by("channel_name").values_list("channel_name", flat=True)[:100]
        return ", ".join(names) or "\u2013"

    def get_urls(self) -> list[URLPattern]:
        """Add the live overview. When this is called, every model of the site is registered, users too."""
        link_user_pages(self.admin_site)
        return [*self.overview_urls(), *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> _ListDisplayT[models.WebSocketSession]:
        """Say of each session whether it is open where both kinds are listed."""
        listed = super().get_list_display(request)
        return [*listed, "connected"] if request.GET.get("state") == EVERY else listed

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the order newest first, along an index."""
        return ordering_of(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[models.WebSocketSession], search_term: str
    ) -> tuple[QuerySet[models.WebSocketSession], bool]:
        """Find the sessions that the term names; with `view_user`, also by e-mail address."""
        term = search_term.strip().replace("\0", "")
        user_model = get_user_model()._meta
        by_email = request.user.has_perm(
            f"{user_model.app_label}.{get_permission_codename('view', user_model)}"
        )
        return (found_by(term, queryset, by_email=by_email) if term else queryset), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Render the list, with a note about its limit."""
        return super().changelist_view(request, {"most_listed": MOST_LISTED, **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """Render the session, with buttons for the actions."""
        offered = [*self.offered(request)]
        return super().change_view(
            request, object_id, form_url, {"offered": offered, **(extra_context or {})}
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sessions are created by `$connect` only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.WebSocketSession | None = None) -> bool:
        """Sessions are changed by events and by the actions only."""
        return False
