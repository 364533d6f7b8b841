"""The pages that may open sockets: origins, compared by scheme, host and port."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings

from websocket_gateway.conf import get_settings

Origin = tuple[str, str, int]
"""Scheme, host (a leading `.` means the host itself and its sub-domains), port."""

_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


def is_allowed_origin(origin: str) -> bool:
    """Whether a page of this origin may open sockets. Scheme, host and port must be equal."""
    parsed = parse_origin(origin)
    if parsed is None or parsed[1].startswith("."):
        return False
    configured = get_settings().allowed_origins
    allowed = default_origins() if configured is None else _parse_all(configured)
    return any(_fits(parsed, pattern) for pattern in allowed) or (
        configured is None and settings.DEBUG and parsed[1] in ("localhost", "127.0.0.1")
    )


def default_origins() -> frozenset[Origin]:
    """Return the origins in Django's own settings: `CSRF_TRUSTED_ORIGINS`, and `ALLOWED_HOSTS` with https."""
    hosts = [host for host in settings.ALLOWED_HOSTS if host != "*"]
    return _parse_all([*settings.CSRF_TRUSTED_ORIGINS, *(f"https://{_wild(host)}" for host in hosts)])


def parse_origin(text: str) -> Origin | None:
    """Parse an origin, or a pattern such as `https://*.example.com`. Returns None for anything else."""
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
