"""URL patterns of WebSocket views."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.apps import apps
from django.core.checks import CheckMessage

from websocket_gateway.checks.messages import error, warning
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.provisioning.declared_routes import read_urlconf
from websocket_gateway.views import WebSocketView
from websocket_gateway.views.routed import find_routed_views, may_choose_urlconf, name_of

_GROUP = "(?P<route>"
_ENDS = r"(?:\\Z|\\z|\$)$"


def check_urlconf() -> Iterator[CheckMessage]:
    """The URLconf must be readable."""
    try:
        read_urlconf()
    except ConfigurationError as exc:
        yield error("E006", str(exc), hint="Correct the error named above; `manage.py check` shows where.")


def check_route_argument() -> Iterator[CheckMessage]:
    """The last part of the URL must distinguish connect, disconnect and default."""
    for view in find_routed_views():
        if _GROUP not in view.regex and "route" not in view.arguments:
            yield error(
                "E003",
                f"The URL {view.pattern!r} of {view} has no part `route`.",
                hint='Write path("ws/<str:route>", …). The view of an additional route can have a fixed one: '
                'path("ws/move", …, {"route": "move"}).',
            )


def check_trailing_slash() -> Iterator[CheckMessage]:
    """The URL must not end with a slash: API Gateway calls `…/connect` and follows no redirect."""
    for view in find_routed_views():
        if _GROUP in view.regex and re.sub(_ENDS, "", view.regex).endswith("/"):
            yield error(
                "E004",
                f"The URL {view.pattern!r} of {view} ends with a slash; API Gateway calls it without one. "
                "APPEND_SLASH then answers with a redirect, which a handshake does not follow.",
                hint=f"Write {view.pattern.rstrip('/')!r}.",
            )


def check_every_view_is_routed() -> Iterator[CheckMessage]:
    """Every view of the project's own apps, or a subclass of it, must be in the URLconf."""
    if may_choose_urlconf():
        return  # it may be in another one
    routed = {base for view in find_routed_views() for base in view.view_class.__mro__}
    for view_class in _leaves(WebSocketView):
        if view_class not in routed and _is_of_the_project(view_class):
            yield warning(
                "W016",
                f"No URL leads to {name_of(view_class)}.",
                hint=f'Add path("ws/<str:route>", {view_class.__name__}.as_view()) to the URLconf.',
            )


def _leaves(view_class: type) -> Iterator[type]:
    subclasses: list[type] = view_class.__subclasses__()
    if not subclasses and view_class is not WebSocketView:
        yield view_class
    for subclass in subclasses:
        yield from _leaves(subclass)


def _is_of_the_project(view_class: type) -> bool:
    app = apps.get_containing_app_config(view_class.__module__)
    return app is not None and app.name != "websocket_gateway"
