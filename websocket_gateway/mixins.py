"""Template context: the route, the channel, the positions and the members of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Case, When
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from websocket_gateway.channels import history, inbox, presence
from websocket_gateway.client_config import read_or_log
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ApiGatewayAdditionalRoute
from websocket_gateway.page_errors import must_raise, warn_once


class AddWebSocketRouteToContextMixin:
    """Puts `api_gateway_route` (the route, or None) and `channel_name` into a view's context."""

    websocket_route_key: str = "default"
    channel_name: str = ""
    api_gateway_name: str = ""
    """The `api_name` of a gateway; empty takes `DEFAULT_GATEWAY`, else the oldest gateway with the route."""

    def get_websocket_route_key(self) -> str:
        """The route key to look for."""
        return self.websocket_route_key

    def get_channel_name(self) -> str:
        """The channel of the page."""
        return self.channel_name

    def get_api_gateway_route(self) -> ApiGatewayAdditionalRoute | None:
        """The route with that key, with its gateway loaded; None if there is none.

        A mistake in the settings is an error under `DEBUG` and in tests, and in production None and logged.
        """
        key = self.get_websocket_route_key()
        try:
            return self._find_route(key)
        except Exception as exc:
            if must_raise(exc):
                raise
            warn_once(f"A page has no route {key!r}: {type(exc).__name__}: {str(exc)[:500]}")
            return None

    def _find_route(self, key: str) -> ApiGatewayAdditionalRoute | None:
        routes = ApiGatewayAdditionalRoute.objects.filter(route_key=key)
        if self.api_gateway_name:
            routes = routes.filter(api_gateway__api_name=self.api_gateway_name)
        first = Case(When(api_gateway__api_name=get_settings().default_gateway, then=0), default=1)
        found = read_or_log(routes.select_related("api_gateway").order_by(first, "pk")[:1])
        return found[0] if found else None

    def get_context_data(self, **kwargs: object) -> dict[str, Any]:
        """Add both names; a value that a view or caller sets under one of them has priority."""
        context = {
            "api_gateway_route": self.get_api_gateway_route(),
            "channel_name": self.get_channel_name(),
        }
        return super().get_context_data(**{**context, **kwargs})  # type: ignore[misc, no-any-return]


class ResumeChannelsMixin:
    """Reads the positions of channels with a history before the view does anything else, and their members.

    `{% websocket_client %}` takes both from the context, so the page misses nothing that is published after,
    and its client begins with the members that the page shows.
    """

    resume_channels: Sequence[str] = ()
    presence_channels: Sequence[str] = ()
    counts_inbox: bool = False
    """Whether the page shows how many messages in the user's inbox are unread."""
    request: HttpRequest

    def get_resume_channels(self) -> Sequence[str]:
        """The channels that the page shows; `self.request` and `self.kwargs` are set."""
        return self.resume_channels

    def get_presence_channels(self) -> Sequence[str]:
        """The channels with presence whose members the page shows."""
        return self.presence_channels

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> Any:
        """Read the positions first, then the members."""
        if getattr(self, "view_is_async", False):
            return self._dispatch_async(request, *args, **kwargs)
        self._read_channels()
        return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]

    def get_context_data(self, **kwargs: object) -> dict[str, Any]:
        """Add `channel_positions` and `channel_members`, each by the name of the channel, `inbox_unread`."""
        context = {"channel_positions": self.channel_positions, "channel_members": self.channel_members}
        if self.counts_inbox:
            context["inbox_unread"] = self.inbox_unread
        return super().get_context_data(**{**context, **kwargs})  # type: ignore[misc, no-any-return]

    def _read_channels(self) -> None:
        self.channel_positions = history.positions(self.get_resume_channels())
        self.channel_members = presence.snapshot(self.get_presence_channels())
        user: Any = getattr(self.request, "user", None)
        known = self.counts_inbox and user is not None and user.is_authenticated
        self.inbox_unread = inbox.unread(user) if known else 0

    async def _dispatch_async(
        self, request: HttpRequest, *args: object, **kwargs: object
    ) -> HttpResponseBase:
        await sync_to_async(self._read_channels)()
        return await super().dispatch(request, *args, **kwargs)  # type: ignore[misc, no-any-return]


class AppChannelWebSocketMixin(AddWebSocketRouteToContextMixin):
    """Takes route key and channel from the Django app of the view: both are its app label.

    Of a view in the project's own package, that of `ROOT_URLCONF`, they are the name of the package.
    """

    app_channel_override: str = ""
    """The channel's name, if it is not the app label."""

    def get_websocket_route_key(self) -> str:
        """The app label."""
        return self._app_label()

    def get_channel_name(self) -> str:
        """The override, else the app label, which is always a valid channel name."""
        return self.app_channel_override or self._app_label()

    def _app_label(self) -> str:
        module = type(self).__module__
        config = apps.get_containing_app_config(module)
        if config is not None:
            return config.label
        top = module.partition(".")[0]
        # The project's own package is in no app, as a rule, and may have views all the same.
        if top != str(settings.ROOT_URLCONF).partition(".")[0]:
            raise ImproperlyConfigured(f"{module}.{type(self).__qualname__} is not in an installed app.")
        return top
