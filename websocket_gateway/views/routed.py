"""The WebSocket views in the URLconf."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.urls import URLResolver, get_resolver

from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.provisioning.declared_routes import class_based, read_urlconf
from websocket_gateway.views.websocket import WebSocketView


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedView:
    """A view class in one pattern of the URLconf."""

    view_class: type[WebSocketView]
    initkwargs: Mapping[str, object]
    """Arguments of `as_view()`; they override the attributes of the class."""
    pattern: str
    """As written in the URLconf."""
    regex: str
    """The regular expression of the whole path, from the root."""
    arguments: Mapping[str, object]
    """Arguments that the pattern itself passes to the view."""

    def read(self, attribute: str) -> Any:
        """The value that an instance will have."""
        return self.initkwargs.get(attribute, getattr(self.view_class, attribute))

    def __str__(self) -> str:
        return name_of(self.view_class)


def name_of(view_class: type) -> str:
    """The dotted path of a class."""
    return f"{view_class.__module__}.{view_class.__qualname__}"


def find_routed_views() -> tuple[RoutedView, ...]:
    """Every `WebSocketView` in the URLconf; empty if it cannot be read, which is a finding by itself."""
    return _find(get_resolver())


@lru_cache(maxsize=1)
def _find(resolver: URLResolver) -> tuple[RoutedView, ...]:
    """The views of one resolver, which Django makes again when the URLconf changes."""
    try:
        patterns = read_urlconf()
    except ConfigurationError:
        return ()
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
    return tuple(found)
