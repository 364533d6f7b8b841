"""What a browser must know to connect."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import MultipleObjectsReturned
from django.http import HttpRequest
from django.middleware.csrf import get_token

from websocket_gateway.aws.endpoints import socket_url
from websocket_gateway.exceptions import GatewayNotFoundError
from websocket_gateway.frames import SUBPROTOCOL
from websocket_gateway.models import ApiGateway

CLIENT_OPTIONS: Final = (
    *("token_by", "handler_key", "share", "share_key", "queue_limit", "overflow", "request_ms", "resend_ms"),
    *("backoff_ms", "backoff_max_ms", "connect_ms", "stable_ms", "heartbeat_ms", "pong_ms", "rotate_ms"),
    *("handover_ms", "max_refusals", "max_frame_bytes"),
)
"""What a page may choose about the client, in Python's spelling."""


def find_gateway_by_name(name: str = "") -> ApiGateway:
    """The gateway called `name`, or the only one there is. Raises `GatewayNotFoundError`."""
    gateways = ApiGateway.objects.filter(api_name=name) if name else ApiGateway.objects.all()
    try:
        found: ApiGateway = gateways.get()
    except ApiGateway.DoesNotExist:
        raise GatewayNotFoundError(
            f"There is no gateway {name!r}." if name else "There is no gateway."
        ) from None
    except MultipleObjectsReturned:
        raise GatewayNotFoundError("There are several gateways; name one.") from None
    return found


def find_socket_url(gateway: ApiGateway) -> str:
    """The `wss://` URL of a gateway: the custom domain once that exists, else the stage; else empty."""
    if gateway.domain_name and gateway.custom_domain_created:
        return f"wss://{gateway.domain_name}" + (f"/{gateway.mapping_key}" if gateway.mapping_key else "")
    if not gateway.api_endpoint:
        return ""
    return socket_url(api_endpoint=gateway.api_endpoint, stage_name=gateway.stage_name)


def build_client_config(
    gateway: ApiGateway, *, channel_name: str = "", token_url: str = ""
) -> dict[str, Any]:
    """The client's configuration: nothing in it is secret. An empty `tokenUrl` means a public endpoint."""
    return {
        "url": find_socket_url(gateway),
        "tokenUrl": token_url,
        "channel": channel_name,
        "subprotocol": SUBPROTOCOL,
    }


def build_client_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The client's own options in its spelling: `share_key` -> `shareKey`. Raises `TypeError`."""
    return {_camel_case(_known(name)): value for name, value in options.items()}


def build_csrf_config(request: HttpRequest) -> dict[str, str]:
    """Where the client finds its CSRF token; the cookie is sent with the page.

    The token itself is in the configuration only where scripts cannot read the cookie.
    """
    token = get_token(request)
    config = {
        "csrfCookie": settings.CSRF_COOKIE_NAME,
        "csrfHeader": settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-"),
    }
    if settings.CSRF_USE_SESSIONS or settings.CSRF_COOKIE_HTTPONLY:
        config["csrfToken"] = token
    return config


def _known(name: str) -> str:
    if name in CLIENT_OPTIONS:
        return name
    close = get_close_matches(name, CLIENT_OPTIONS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"choose from {', '.join(CLIENT_OPTIONS)}."
    raise TypeError(f"The client has no option {name!r}; {hint}")


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
