"""The keyed hashes that the old package kept of logins, so that sockets it opened still end with them."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.crypto import constant_time_compare, salted_hmac

_SESSION_KEY_SALT = "django_aws_api_gateway_websockets.WebSocketToken.session_key"
_SESSION_AUTH_SALT = "django_aws_api_gateway_websockets.WebSocketSession.auth_hash"


def legacy_session_key_hash(session_key: str) -> str:
    """The hash that the old package stored of a Django session; imported sessions keep it."""
    return salted_hmac(_SESSION_KEY_SALT, session_key, algorithm="sha256").hexdigest()


def login_holds(user: AbstractBaseUser, stored: str) -> bool:
    """Whether the login that opened a socket is still good; `stored` is empty where none was kept."""
    if not getattr(user, "is_active", True):
        return False
    make = getattr(user, "get_session_auth_hash", None)
    if not stored or make is None:
        return True
    current = salted_hmac(_SESSION_AUTH_SALT, make(), algorithm="sha256").hexdigest()
    return constant_time_compare(stored, current)
