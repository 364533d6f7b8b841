"""Checks of Django's sessions, middleware and redirects."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from django.apps import apps
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.checks import CheckMessage
from django.utils.module_loading import import_string

from websocket_gateway.checks.messages import error, warning
from websocket_gateway.logins import is_session_engine
from websocket_gateway.views.routed import find_routed_views

_BACKENDS = "django.contrib.sessions.backends"
_IN_DATABASE = (f"{_BACKENDS}.db", f"{_BACKENDS}.cached_db")
_IN_CACHE = (f"{_BACKENDS}.cache", f"{_BACKENDS}.cached_db")
_NO_CACHE = "django.core.cache.backends.dummy.DummyCache"
_OWN_MEMORY = "django.core.cache.backends.locmem.LocMemCache"


def check_session_engine() -> Iterator[CheckMessage]:
    """Sessions must be stored, and under a key that lasts."""
    engine = settings.SESSION_ENGINE
    try:
        import_module(engine)
    except (ImportError, AttributeError, ValueError) as exc:
        yield error(
            "E008",
            f"SESSION_ENGINE {engine!r} cannot be imported: {exc}.",
            hint=f'Set SESSION_ENGINE = "{_BACKENDS}.db".',
        )
        return
    if engine in _IN_DATABASE and not apps.is_installed("django.contrib.sessions"):
        yield error(
            "E009",
            f"SESSION_ENGINE {engine!r} needs an app that is not installed.",
            hint='Add "django.contrib.sessions" to INSTALLED_APPS and run `manage.py migrate`.',
        )
    if is_session_engine(engine, f"{_BACKENDS}.cache") and _cache() == _NO_CACHE:
        yield error(
            "E010",
            "Sessions are kept in a cache that stores nothing: no user is ever logged in.",
            hint=f'Set SESSION_ENGINE = "{_BACKENDS}.db", or another backend in CACHES.',
        )
    if is_session_engine(engine, f"{_BACKENDS}.signed_cookies"):
        yield warning(
            "W014",
            "Sessions in signed cookies have no lasting key: a token is valid in every session of its user, "
            "and a logout ends the user's sockets on every device.",
            hint=f'Set SESSION_ENGINE = "{_BACKENDS}.cached_db".',
        )


def check_shared_sessions() -> Iterator[CheckMessage]:
    """Sessions must be visible to every process."""
    if _is_any(settings.SESSION_ENGINE, _IN_CACHE) and _cache() == _OWN_MEMORY:
        yield warning(
            "W023",
            "Sessions are kept in the memory of each process: the process that handles $connect does "
            "not know a session that another process has made.",
            hint='Set CACHES to a shared cache, such as "django.core.cache.backends.redis.RedisCache".',
        )


def check_middleware() -> Iterator[CheckMessage]:
    """The middleware must tell the views which user is logged in."""
    installed = [_load(path) for path in settings.MIDDLEWARE]
    for needed in (SessionMiddleware, AuthenticationMiddleware):
        if not any(isinstance(found, type) and issubclass(found, needed) for found in installed):
            path = f"{needed.__module__}.{needed.__name__}"
            yield warning(
                "W013",
                f"{needed.__name__} is not in MIDDLEWARE: no user is logged in, so no page gets a token.",
                hint=f'Add "{path}" to MIDDLEWARE.',
            )


def check_ssl_redirect() -> Iterator[CheckMessage]:
    """Events must not be redirected to https: a redirect fails the handshake."""
    if settings.SECURE_SSL_REDIRECT and not settings.SECURE_PROXY_SSL_HEADER and find_routed_views():
        yield warning(
            "W015",
            "SECURE_SSL_REDIRECT is on without SECURE_PROXY_SSL_HEADER: behind a proxy that ends TLS every "
            "event is answered with a redirect, which API Gateway does not follow.",
            hint='Set SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if the proxy sets that '
            "header itself; if Django ends TLS itself, silence this id.",
        )


def _is_any(engine: str, kinds: tuple[str, ...]) -> bool:
    """Whether an engine is one of these or, as projects wrap them, derived from one."""
    return any(is_session_engine(engine, kind) for kind in kinds)


def _cache() -> str:
    configured = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {})
    return str(configured.get("BACKEND", ""))


def _load(path: str) -> object:
    try:
        found: object = import_string(path)
    except ImportError:
        return None
    return found
