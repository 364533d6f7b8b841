"""Which login opened a connection or got a token, and whether that login is still valid.

Stored are hashes: of the Django session's key, and of the user's session-auth hash, which changes with the
password.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from websocket_gateway.auth_backends import load_by_backend
from websocket_gateway.models.fields import set_related

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from websocket_gateway.models import WebSocketSession

_BACKENDS: Final = "django.contrib.sessions.backends"
_COOKIE_SESSIONS: Final = f"{_BACKENDS}.signed_cookies"
_OF_DJANGO: Final = {f"{_BACKENDS}.{name}" for name in ("db", "cache", "cached_db", "file", "signed_cookies")}
_DERIVED_OF_DJANGO: Final = (f"{_BACKENDS}.cached_db", f"{_BACKENDS}.db")
"""The one engine of Django that is derived from another, and that one."""


def session_key_of(request: HttpRequest) -> str | None:
    """Return the key in the session cookie of a request, None without a cookie.

    Sessions in signed cookies have no lasting key, so the result is None for them, too.
    """
    if not has_lasting_session_keys():
        return None
    return request.COOKIES.get(settings.SESSION_COOKIE_NAME) or None


def current_session_key(request: HttpRequest) -> str | None:
    """The key of the session of a request that came through the session middleware; None without one.

    Like `session_key_of`, but for code that runs behind the middleware: it is right after a login or a
    logout too, which change the key, and None for a cookie whose session does not exist. None for sessions
    in signed cookies.
    """
    session = getattr(request, "session", None)
    if session is None or not has_lasting_session_keys():
        return None
    session.get(SESSION_KEY)  # loads it: of a cookie that nothing has read yet, the key may be any text
    return getattr(session, "session_key", None)


def has_lasting_session_keys() -> bool:
    """Whether a session keeps its key. It does not if the cookie itself is the session."""
    return not is_session_engine(settings.SESSION_ENGINE, _COOKIE_SESSIONS)


@lru_cache(maxsize=32)
def is_session_engine(engine: str, kind: str) -> bool:
    """Whether `engine` is the session engine `kind`, or one whose store is derived from that of `kind`."""
    if engine == kind:
        return True
    if {engine, kind} <= _OF_DJANGO:  # known without an import, which `manage.py check` would wait for
        return (engine, kind) == _DERIVED_OF_DJANGO
    try:
        store, base = import_module(engine).SessionStore, import_module(kind).SessionStore
        return issubclass(store, base)
    except Exception:  # noqa: BLE001 - the project's module; `manage.py check` reports it, and models need apps
        return False


def hash_session_key(session_key: str | None) -> str:
    """Return the stored form of a session key: its SHA-256, empty for no key."""
    return sha256(session_key) if session_key else ""


def hash_session_auth(user: AbstractBaseUser | AnonymousUser) -> str:
    """SHA-256 of the user's session-auth hash, which changes with the password; empty for anonymous users."""
    return sha256(_session_auth(user)) if user.is_authenticated else ""


def is_session_auth(stored: str, user: AbstractBaseUser) -> bool:
    """Whether `stored` still matches the user, under the current `SECRET_KEY` or one of its fallbacks."""
    if constant_time_compare(stored, sha256(_session_auth(user))):
        return True
    return any(constant_time_compare(stored, sha256(text)) for text in _fallback_session_auth(user))


def is_active(user: object) -> bool:
    """Whether the user is active. User models without `is_active` have no inactive users."""
    return bool(getattr(user, "is_active", True))


def renew_user(session: WebSocketSession) -> str:
    """Make `session.user` the user that the backend gives now, and return the reason to end, if any."""
    reason = reason_to_end(session)
    if reason or session.user is None:
        return reason
    user = load_by_backend(session.user, session.auth_backend)
    if user is None:
        return "backend"
    if user is session.user:  # which has just been looked at; a hash takes a tenth of a message's time
        return ""
    set_related(session, "user", user)
    return reason_to_end(session)


def reason_to_end(session: WebSocketSession) -> str:
    """Return the reason to end the connection; empty if there is none. `session.user` must be loaded."""
    user = session.user
    if user is None:
        # The row of a logged-in user always has a hash: without its user it is a deleted one's.
        return "deleted" if session.session_auth_hash else ""
    if not is_active(user):
        return "deactivated"
    if session.session_auth_hash and not is_session_auth(session.session_auth_hash, user):
        return "password"
    return ""


def sha256(text: str) -> str:
    """Return the hex digest of `text`: 64 characters."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _session_auth(user: object) -> str:
    make = getattr(user, "get_session_auth_hash", None)
    return str(make()) if make else ""


def _fallback_session_auth(user: object) -> Iterator[str]:
    make = getattr(user, "get_session_auth_fallback_hash", None)
    if make:
        yield from make()
