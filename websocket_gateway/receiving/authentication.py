"""Proves that a request came from our API Gateway, and judges what its client said: origin and address."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest

from websocket_gateway import context_headers
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import is_origin_secret
from websocket_gateway.receiving.events import read_header
from websocket_gateway.receiving.gateways import known_gateways

API_ID_HEADER = "X-Amzn-Apigateway-Api-Id"

_DEFAULT_PORTS = {"https": 443, "http": 80}

Origin = tuple[str, str, int]
"""Scheme, host (a leading `.` stands for the host itself and its sub-domains), port."""


def find_gateway(request: HttpRequest) -> ApiGateway | None:
    """The gateway that the request names; at most `GATEWAY_CACHE_SECONDS` old. Proves nothing yet."""
    api_id = read_header(request, API_ID_HEADER)
    return known_gateways().find(api_id) if api_id else None


def has_origin_secret(request: HttpRequest, gateway: ApiGateway) -> bool:
    """Whether the request carries the secret that only this gateway's integrations were given."""
    value = read_header(request, context_headers.ORIGIN_SECRET_HEADER)
    return value.isascii() and is_origin_secret(value, gateway.api_id)


def is_allowed_origin(origin: str) -> bool:
    """Whether a page of this origin may open sockets: scheme, host and port compared whole."""
    parsed = parse_origin(origin)
    if parsed is None or parsed[1].startswith("."):
        return False
    configured = get_settings().allowed_origins
    allowed = default_origins() if configured is None else _parse_all(configured)
    return any(_fits(parsed, pattern) for pattern in allowed) or (
        configured is None and settings.DEBUG and parsed[1] in ("localhost", "127.0.0.1")
    )


def default_origins() -> frozenset[Origin]:
    """What Django's own settings allow: `CSRF_TRUSTED_ORIGINS`, and `ALLOWED_HOSTS` by https."""
    hosts = [host for host in settings.ALLOWED_HOSTS if host != "*"]
    return _parse_all([*settings.CSRF_TRUSTED_ORIGINS, *(f"https://{_wild(host)}" for host in hosts)])


def parse_origin(text: str) -> Origin | None:
    """Scheme, host and port of an origin or of a pattern such as `https://*.example.com`; None for others."""
    if not text.isascii() or not text.isprintable() or " " in text:
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    bare = not parts.path and "?" not in text and "#" not in text and "@" not in text and "\\" not in text
    if parts.scheme not in _DEFAULT_PORTS or not host or not bare or "," in text:
        return None
    host = host[1:] if host.startswith("*.") else host
    return (
        None if "*" in host else (parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port)
    )


def client_key(source_ip: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    address = ipaddress.ip_address(source_ip)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def _wild(host: str) -> str:
    return f"*{host}" if host.startswith(".") else host


def _parse_all(texts: Iterable[str]) -> frozenset[Origin]:
    return frozenset(parsed for text in texts if (parsed := parse_origin(text)) is not None)


def _fits(origin: Origin, pattern: Origin) -> bool:
    scheme, host, port = pattern
    if (origin[0], origin[2]) != (scheme, port):
        return False
    if host.startswith("."):
        return origin[1].endswith(host) or origin[1] == host[1:]
    return origin[1] == host
