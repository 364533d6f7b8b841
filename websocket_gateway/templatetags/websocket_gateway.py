"""`{% load websocket_gateway %}`: the browser client, and its configuration as JSON."""

from __future__ import annotations

from contextlib import suppress

from django import template
from django.core.exceptions import SynchronousOnlyOperation
from django.template.context import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString

from websocket_gateway.client_config import (
    build_client_config,
    build_client_options,
    build_csrf_config,
    build_user_config,
    find_page_gateway,
)
from websocket_gateway.connections import find_socket_url

register = template.Library()


@register.simple_tag(takes_context=True)
def websocket_client(
    context: Context,
    channel: str = "",
    gateway: str = "",
    token_url: str = "",
    element_id: str = "websocket-gateway",
    nonce: object = None,
    **options: object,
) -> SafeString:
    """The configuration, and the script tag of the client, which `fromPage()` connects with it.

    `options` are those of the client, in Python's spelling: `share=True`. The nonce is the argument, else
    `csp_nonce` of the context. Without a gateway the configuration has no address, and the reason is logged.
    """
    config: dict[str, object] = {**_config(channel, gateway, token_url)}
    request = context.get("request")
    with suppress(SynchronousOnlyOperation):  # then there is no address either, and the log says why
        if config["tokenUrl"] and request is not None:
            config |= build_csrf_config(request)
        if request is not None and (config["tokenUrl"] or options.get("share")):
            config |= build_user_config(request)
    try:
        config |= build_client_options(options)
    except TypeError as exc:
        raise template.TemplateSyntaxError(f"websocket_client: {exc}") from exc
    # Not `or`: Django's lazy nonce is false until it is used.
    nonce = context.get("csp_nonce") if nonce is None else nonce
    script = format_html(
        '<script type="module" src="{}"{}></script>',
        static("websocket_gateway/client.js"),
        format_html(' nonce="{}"', nonce) if nonce is not None else "",
    )
    return format_html("{}\n{}", json_script(config, element_id), script)


@register.simple_tag
def websocket_config(
    channel: str = "",
    gateway: str = "",
    token_url: str = "",
    element_id: str = "websocket-gateway",
) -> SafeString:
    """A `<script type="application/json">` with `url`, `tokenUrl`, `channel` and `subprotocol`.

    `gateway` is an `api_name`, and optional if there is one gateway. `token_url` is a path or the name of a
    URL pattern. Without a gateway `url` is empty.
    """
    return json_script(_config(channel, gateway, token_url), element_id)


@register.simple_tag
def websocket_url(gateway: str = "") -> str:
    """The gateway's `wss://` URL; empty until `create_gateway` has run."""
    found = find_page_gateway(gateway)
    return find_socket_url(found) if found else ""


def _config(channel: str, gateway: str, token_url: str) -> dict[str, str]:
    found = find_page_gateway(gateway)
    return build_client_config(found, channel_name=str(channel or ""), token_url=_resolve(token_url))


def _resolve(url: str) -> str:
    if not url or "/" in url:
        return url
    try:
        return reverse(url)
    except NoReverseMatch as exc:
        raise template.TemplateSyntaxError(f"token_url: {exc}") from exc
