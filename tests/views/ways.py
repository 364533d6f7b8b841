"""The ways in which a name gets onto a view."""

from __future__ import annotations

from typing import Any

from websocket_gateway.views import WebSocketView


def in_the_class(name: str, method: Any) -> Any:
    return type("Chat", (WebSocketView,), {name: method})


def in_a_mixin(name: str, method: Any) -> Any:
    return type("Chat", (type("Mixin", (), {name: method}), WebSocketView), {})


def in_a_layer(name: str, method: Any) -> Any:
    return type("Chat", (type("Layer", (WebSocketView,), {name: method}),), {})


def in_a_mixin_of_a_layer(name: str, method: Any) -> Any:
    return type("Chat", (type("Mixin", (), {name: method}), type("Layer", (WebSocketView,), {})), {})


WAYS = [in_the_class, in_a_mixin, in_a_layer, in_a_mixin_of_a_layer]
