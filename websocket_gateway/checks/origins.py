"""Checks of the origins whose pages may open sockets."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage

from websocket_gateway.checks.messages import error, warning
from websocket_gateway.conf import get_settings
from websocket_gateway.receiving.origins import default_origins, parse_origin


def check_patterns() -> Iterator[CheckMessage]:
    """Every entry of `ALLOWED_ORIGINS` must be an origin or a pattern of one."""
    for origin in get_settings().allowed_origins or ():
        if parse_origin(origin) is None:
            yield error(
                "E002",
                f'WEBSOCKET_GATEWAY["ALLOWED_ORIGINS"]: {origin!r} is not an origin, so it allows no page.',
                hint=f"Write {_corrected(origin)!r}: scheme and host, the port unless it is the default one, "
                "no slash at the end; https://*.example.com for sub-domains.",
            )


def check_trusted_origins() -> Iterator[CheckMessage]:
    """Every trusted origin must have a scheme and no path; `wss://` entries are for the cookies only."""
    if get_settings().allowed_origins is not None:
        return
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        if not origin.startswith(("ws://", "wss://")) and parse_origin(origin) is None:
            yield warning(
                "W024",
                f"CSRF_TRUSTED_ORIGINS: {origin!r} is not a plain origin: its pages must not open sockets.",
                hint=f"Write {_corrected(origin)!r}.",
            )


def check_any_origin_is_allowed() -> Iterator[CheckMessage]:
    """At least one origin must be allowed: browsers always send one."""
    allowed = get_settings().allowed_origins
    if allowed is None and (settings.DEBUG or default_origins()):
        return
    if not allowed:
        yield warning(
            "W008",
            "No origin is allowed, so no browser can open a socket.",
            hint='Set CSRF_TRUSTED_ORIGINS = ["https://www.example.com"] with the addresses of your pages; '
            "a * in ALLOWED_HOSTS allows no origin.",
        )


def _corrected(origin: str) -> str:
    """A guess at the intended origin."""
    scheme, separator, rest = origin.rpartition("://")
    host = rest.split("/")[0]
    guess = f"{scheme if separator else 'https'}://{host}"
    return guess if parse_origin(guess) else "https://www.example.com"
