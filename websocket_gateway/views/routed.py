"""The WebSocket views that the URLconf leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.provisioning.declared_routes import class_based, read_urlconf
from websocket_gateway.views.websocket import WebSocketView


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedView:
    """A view class at one place of the URLconf."""

    view_class: type[WebSocketView]
    initkwargs: Mapping[str, Any]
    """What `as_view()` was given; outdoes the class's own attributes."""
    pattern: str
    """As it was written."""
    regex: str
    """The whole of it, from the root."""
    arguments: Mapping[str, Any]
    """What the pattern passes on its own."""

    def read(self, attribute: str) -> Any:
        """An attribute as an instance will have it."""
        return self.initkwargs.get(attribute, getattr(self.view_class, attribute))

    def __str__(self) -> str:
        return name_of(self.view_class)


def name_of(view_class: type) -> str:
    """A class as one would import it."""
    return f"{view_class.__module__}.{view_class.__qualname__}"


def find_routed_views() -> list[RoutedView]:
    """Every `WebSocketView` in the URLconf; none if that cannot be read, which has a finding of its own."""
    try:
        patterns = read_urlconf()
    except ConfigurationError:
        return []
    found = []
    for pattern, regex in patterns:
        view = class_based(pattern.callback)
        if view is not None and issubclass(view.view_class, WebSocketView):
            found.append(
                RoutedView(
                    view_class=view.view_class,
                    initkwargs=view.view_initkwargs,
                    pattern=str(pattern.pattern),
                    regex=regex,
                    arguments=pattern.default_args,
                )
            )
    return found
