"""Sessions: who is connected, and what can be done about it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.translation import gettext_lazy as _

from websocket_gateway import models
from websocket_gateway.admin.overview import Overview
from websocket_gateway.admin.session_actions import SessionActions
from websocket_gateway.admin.session_list import (
    MOST_LISTED,
    AgeFilter,
    BoundedPaginator,
    GatewayFilter,
    StateFilter,
    UserFilter,
    found_by,
    ordering_of,
)
from websocket_gateway.admin.user_pages import link_user_pages


@admin.register(models.WebSocketSession)
class WebSocketSessionAdmin(Overview, SessionActions, admin.ModelAdmin):  # type: ignore[type-arg, misc]
    """Connections come and go by themselves: their rows can be read, and acted on."""

    list_display = (
        "connection_id",
        "user",
        "channel_name",
        "api_gateway",
        "connected",
        "created_on",
        "last_seen_on",
    )
    list_filter = (StateFilter, UserFilter, GatewayFilter, AgeFilter)
    list_select_related = ("user", "api_gateway")
    list_per_page = 50
    sortable_by = ()
    search_fields = ("connection_id__exact",)
    search_help_text = _("A whole connection id, user name or channel.")
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
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
        """The channels beside the primary one."""
        names = session.subscriptions.order_by("channel_name").values_list("channel_name", flat=True)[:100]
        return ", ".join(names) or "\u2013"

    def get_urls(self) -> list[URLPattern]:
        """The live overview beside the list. By now every model of the site is registered, users too."""
        link_user_pages(self.admin_site)
        return [*self.overview_urls(), *super().get_urls()]

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The newest first, along an index."""
        return ordering_of(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Exactly what the term names."""
        term = search_term.strip().replace("\0", "")
        return (found_by(term, queryset) if term else queryset), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say where the list ends."""
        return super().changelist_view(request, {"most_listed": MOST_LISTED, **(extra_context or {})})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Offer the actions for this one session."""
        offered = [*self.offered(request)]
        return super().change_view(
            request, object_id, form_url, {"offered": offered, **(extra_context or {})}
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only a real `$connect` makes a session."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only events change a session, and the actions here."""
        return False
