"""The WebSocket views that the checks look at."""

from __future__ import annotations

from websocket_gateway.views.routed import RoutedView, find_routed_views, name_of

__all__ = ["RoutedView", "find_routed_views", "name_of"]
