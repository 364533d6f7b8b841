"""`{% load websocket_gateway %}`: the browser client, and its configuration as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from django import template
from django.core.exceptions import SynchronousOnlyOperation
from django.template.context import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString

from websocket_gateway import connections
from websocket_gateway.channels import inbox
from websocket_gateway.channels.positions import InvalidPositionError, Position, parse_since
from websocket_gateway.channels.presence import Snapshot
from websocket_gateway.client_config import (
    build_client_config,
    build_client_options,
    build_csrf_config,
    build_csrf_config_of_token,
    build_user_config,
    find_page_gateway,
)
from websocket_gateway.inboxes import build_inbox_config
from websocket_gateway.templatetags.failing import register_safely

if TYPE_CHECKING:
    from django.http import HttpRequest

register = template.Library()

_ELEMENT_ID = "websocket-gateway"
_NO_CSRF_TOKEN = "NOTPROVIDED"  # noqa: S105 - what Django's context processor gives then


def websocket_client(
    context: Context,
    channel: str = "",
    gateway: str = "",
    token_url: str = "",
    element_id: str = _ELEMENT_ID,
    nonce: object = None,
    positions: object = None,
    members: object = None,
    unread: object = None,
    **options: object,
) -> SafeString:
    """The configuration, and the script tag of the client, which `fromPage()` connects with it.

    `options` are those of the client, in Python's spelling: `share=True`. The nonce is the argument, else
    `csp_nonce` of the context. `positions` are those of channels with a history, by name, else
    `channel_positions` of the context, which `ResumeChannelsMixin` gives. `members` are a
    `presence.snapshot()`, else `channel_members` of the context, from the same mixin; `unread` likewise the
    number of unread messages in the user's inbox, else `inbox_unread`. Without a gateway the configuration
    has no address, and the reason is logged.
    """
    config: dict[str, object] = {**_config(channel, gateway, token_url)}
    request = _find_request(context)
    with suppress(SynchronousOnlyOperation):  # then there is no address either, and the log says why
        if config["tokenUrl"]:
            config |= _csrf_of(context) if request is None else build_csrf_config(request)
        if request is not None and (config["tokenUrl"] or options.get("share")):
            config |= build_user_config(request)
        config |= build_inbox_config(getattr(request, "user", None))
    try:
        chosen = build_client_options(options)
    except TypeError as exc:
        raise template.TemplateSyntaxError(f"websocket_client: {exc}") from exc
    config |= {name: value for name, value in chosen.items() if value is not None}
    if members := _members(context.get("channel_members") if members is None else members):
        config["members"] = members
    if isinstance(unread := context.get("inbox_unread") if unread is None else unread, int):
        config["unread"] = unread
    found = _positions(context.get("channel_positions") if positions is None else positions)
    return _client(context, config, element_id, nonce, found)


def websocket_config(
    channel: str = "",
    gateway: str = "",
    token_url: str = "",
    element_id: str = _ELEMENT_ID,
) -> SafeString:
    """A `<script type="application/json">` with `url`, `tokenUrl`, `channel` and `subprotocol`.

    `gateway` is an `api_name`, and optional if there is one gateway. `token_url` is a path or the name of a
    URL pattern. Without a gateway `url` is empty.
    """
    return json_script(_config(channel, gateway, token_url), str(element_id or _ELEMENT_ID))


def websocket_url(gateway: str = "") -> str:
    """The gateway's `wss://` URL; empty until `create_gateway` has run."""
    found = find_page_gateway(gateway)
    return connections.find_socket_url(found) if found else ""


def inbox_unread(context: Context) -> int:
    """How many messages the user of the page has not acknowledged: for a badge. One query; 0 for no user."""
    user = getattr(_find_request(context), "user", None)
    found = inbox.unread(user) if build_inbox_config(user) and user is not None else 0
    context["inbox_unread"] = found
    return found


def _client(
    context: Context,
    config: dict[str, object],
    element_id: object,
    nonce: object,
    positions: Mapping[str, object] | None = None,
) -> SafeString:
    # Not `or`: Django's lazy nonce is false until it is used.
    nonce = context.get("csp_nonce") if nonce is None else nonce
    script = format_html(
        '<script type="module" src="{}"{}></script>',
        static("websocket_gateway/client.js"),
        format_html(' nonce="{}"', nonce) if nonce is not None else "",
    )
    found = json_script(config, str(element_id or _ELEMENT_ID))
    if positions:
        # Not an option: a client of an earlier release, still in a cache, refuses those it does not know.
        attribute = format_html('<script data-positions="{}" ', json.dumps(positions))
        found = SafeString(found.replace("<script ", attribute, 1))
    return format_html("{}\n{}", found, script)


def _config(channel: object, gateway: object, token_url: object) -> dict[str, str]:
    found = find_page_gateway(str(gateway or ""))
    return build_client_config(
        found, channel_name=str(channel or ""), token_url=_resolve(str(token_url or ""))
    )


def _positions(given: object) -> dict[str, object]:
    """The positions as JSON; raises `TemplateSyntaxError` for what is not one."""
    if not given:
        return {}
    if not isinstance(given, Mapping):
        raise template.TemplateSyntaxError(
            f"websocket_client: positions must be a dict of positions by channel, not {type(given).__name__}."
        )
    for name, position in given.items():
        try:
            if isinstance(parse_since(position), Position):
                continue
            reason = "A position has the keys epoch and offset."
        except InvalidPositionError as exc:
            reason = str(exc)
        raise template.TemplateSyntaxError(f"websocket_client: the position of channel {name!r}: {reason}")
    return {str(name): dict(position) for name, position in given.items()}


def _members(given: object) -> dict[str, object]:
    """The members as JSON; raises `TemplateSyntaxError` for what is not a snapshot."""
    found = given or {}
    if not isinstance(found, Mapping) or not all(isinstance(one, Snapshot) for one in found.values()):
        raise template.TemplateSyntaxError(
            "websocket_client: members must be what presence.snapshot([channel, ...]) returns, "
            f"not {type(given).__name__}."
        )
    return {str(name): snapshot.as_dict() for name, snapshot in found.items()}


def _resolve(url: str) -> str:
    if not url or "/" in url:
        return url
    try:
        return reverse(url)
    except NoReverseMatch as exc:
        raise template.TemplateSyntaxError(f"token_url: {exc}") from exc


def _find_request(context: Context) -> HttpRequest | None:
    """The request of a page: `render()` gives it to the context, whatever the context processors are."""
    for found in (context.get("request"), getattr(context, "request", None)):
        if isinstance(getattr(found, "META", None), dict):
            return cast("HttpRequest", found)
    return None


def _csrf_of(context: Context) -> dict[str, str]:
    """The CSRF configuration of a page without a request, if the view has given it the token."""
    given = str(context.get("csrf_token") or _NO_CSRF_TOKEN)
    return {} if given == _NO_CSRF_TOKEN else build_csrf_config_of_token(given)


def _empty_client(context: Context) -> SafeString:
    with suppress(Exception):  # the static file or the nonce may be what fails
        return _client(context, {**build_client_config(None)}, _ELEMENT_ID, None)
    return _empty_config(context)


def _empty_config(context: Context) -> SafeString:
    return json_script(build_client_config(None), _ELEMENT_ID)


register_safely(register, websocket_client, instead=_empty_client, takes_context=True)
register_safely(register, websocket_config, instead=_empty_config)
register_safely(register, websocket_url, instead=lambda context: SafeString(""))
register_safely(register, inbox_unread, instead=lambda context: SafeString("0"), takes_context=True)
