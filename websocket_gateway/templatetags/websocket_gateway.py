"""`{% load websocket_gateway %}`: the browser's configuration, as JSON that a script can read."""

from __future__ import annotations

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.html import json_script
from django.utils.safestring import SafeString

from websocket_gateway.services.clients import build_client_config, find_gateway_by_name, find_socket_url

register = template.Library()


@register.simple_tag
def websocket_config(
    channel: str = "",
    gateway: str = "",
    token_url: str = "",
    element_id: str = "websocket-gateway",
) -> SafeString:
    """A `<script type="application/json">` with `url`, `tokenUrl`, `channel` and `subprotocol`.

    `gateway` is an `api_name` and may be left out while there is one gateway; `token_url` is a
    path or the name of a URL pattern. Raises `GatewayNotFoundError`.
    """
    config = build_client_config(
        find_gateway_by_name(gateway), channel_name=str(channel or ""), token_url=_resolve(token_url)
    )
    return json_script(config, element_id)


@register.simple_tag
def websocket_url(gateway: str = "") -> str:
    """The gateway's `wss://` URL; empty until `create_gateway` has run. Raises `GatewayNotFoundError`."""
    return find_socket_url(find_gateway_by_name(gateway))


def _resolve(url: str) -> str:
    if not url or "/" in url:
        return url
    try:
        return reverse(url)
    except NoReverseMatch as exc:
        raise template.TemplateSyntaxError(f"token_url: {exc}") from exc
