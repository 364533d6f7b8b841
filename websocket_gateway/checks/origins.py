"""Which pages may open sockets."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage

from websocket_gateway.checks.messages import error, warning
from websocket_gateway.conf import get_settings
from websocket_gateway.receiving.origins import default_origins, parse_origin


def check_patterns() -> Iterator[CheckMessage]:
    """Entries that no origin can ever equal."""
    for origin in get_settings().allowed_origins or ():
        if parse_origin(origin) is None:
            yield error(
                "E002",
                f'WEBSOCKET_GATEWAY["ALLOWED_ORIGINS"]: {origin!r} is no origin, so it allows nobody.',
                hint=f"Write {_corrected(origin)!r}: scheme and host, a port where it is not the usual one, "
                "no slash behind it; https://*.example.com for sub-domains.",
            )


def check_trusted_origins() -> Iterator[CheckMessage]:
    """Entries that allow no socket: an origin has a scheme and no path. `wss://` is there for the cookies."""
    if get_settings().allowed_origins is not None:
        return
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        if not origin.startswith(("ws://", "wss://")) and parse_origin(origin) is None:
            yield warning(
                "W024",
                f"CSRF_TRUSTED_ORIGINS: {origin!r} is no bare origin: pages from there may open no socket.",
                hint=f"Write {_corrected(origin)!r}.",
            )


def check_somebody_may_connect() -> Iterator[CheckMessage]:
    """Browsers always send an origin; without any that is allowed none can connect."""
    allowed = get_settings().allowed_origins
    if allowed is None and (settings.DEBUG or default_origins()):
        return
    if not allowed:
        yield warning(
            "W008",
            "No origin is allowed, so no browser can open a socket.",
            hint='Set CSRF_TRUSTED_ORIGINS = ["https://www.example.com"] with the addresses of your pages; '
            "a * in ALLOWED_HOSTS stands for none.",
        )


def _corrected(origin: str) -> str:
    """A guess at what was meant."""
    scheme, separator, rest = origin.rpartition("://")
    host = rest.split("/")[0]
    guess = f"{scheme if separator else 'https'}://{host}"
    return guess if parse_origin(guess) else "https://www.example.com"
