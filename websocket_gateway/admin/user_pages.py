"""The link from a user's admin page to the open sockets of that user.

The user admin and its templates belong to the project. So one read-only field is added while the page is
rendered. The admin class and its form do not have the field, so submitted data does not change, and any user
model and any admin class work.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from websocket_gateway.admin.access import VIEW_SESSIONS
from websocket_gateway.models import WebSocketSession

_MOST = 1_000
_MARK = "_shows_websocket_sessions"


def link_user_pages(site: admin.AdminSite) -> None:
    """Add the link to the pages of the user model on `site`, if it is registered there. Does so only once."""
    user_admin = site._registry.get(get_user_model())
    if user_admin is None or hasattr(user_admin, _MARK):
        return
    render = user_admin.render_change_form

    @wraps(render)
    def render_with_link(
        request: HttpRequest, context: dict[str, Any], *args: Any, **options: Any
    ) -> HttpResponse:
        _add_field(request, context)
        return render(request, context, *args, **options)

    user_admin.render_change_form = render_with_link  # type: ignore[method-assign]
    setattr(user_admin, _MARK, True)


def _add_field(request: HttpRequest, context: dict[str, Any]) -> None:
    page, user = context.get("adminform"), context.get("original")
    if page is None or user is None or not request.user.has_perm(VIEW_SESSIONS):
        return
    field = _live_sockets()
    page.fieldsets = [*page.fieldsets, (_("WebSocket"), {"fields": (field,)})]
    page.readonly_fields = [*page.readonly_fields, field]


def _live_sockets() -> Callable[[AbstractBaseUser], str]:
    @admin.display(description=_("Live sockets"))
    def live_sockets(user: AbstractBaseUser) -> str:
        count = WebSocketSession.objects.filter(user_id=user.pk, connected=True)[:_MOST].count()
        url = reverse("admin:websocket_gateway_websocketsession_changelist")
        words = ngettext("%d socket is open", "%d sockets are open", count) % count
        if count == _MOST:
            words = str(_("%d sockets or more are open") % count)
        return format_html('<a href="{}?{}">{}</a>', url, urlencode({"user": user.pk}), words)

    return live_sockets
