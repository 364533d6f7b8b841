"""The rules that a connect token must keep, and which of them has refused it."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.utils.crypto import constant_time_compare

from websocket_gateway.auth_backends import load_by_backend
from websocket_gateway.django_sessions import has_ended
from websocket_gateway.logins import hash_session_key, is_active, is_session_auth
from websocket_gateway.models import WebSocketToken
from websocket_gateway.models.fields import set_related
from websocket_gateway.security_log import Rule


class TokenRefusedError(Exception):
    """A token opens nothing. `rule` names the rule that refuses it, and `str()` says it to the operator."""

    def __init__(self, rule: Rule, reason: str) -> None:
        super().__init__(reason)
        self.rule = rule
        self.opens_nothing = rule in ("token: unknown", "token: used", "token: expired")
        """Whether the token opens nothing in any other attempt either."""


def check_token(row: WebSocketToken, session_key: str | None, now: datetime) -> None:
    """Raise `TokenRefusedError` unless the token may be used. Its user is loaded by the backend."""
    if row.used_on is not None:
        raise TokenRefusedError("token: used", "The token was used before.")
    if row.is_spent(now):
        raise TokenRefusedError("token: expired", "The token has expired (TOKEN_EXPIRY_SECONDS).")
    bound = row.session_key_hash and session_key is not None
    if bound and not constant_time_compare(row.session_key_hash, hash_session_key(session_key)):
        raise TokenRefusedError(
            "token: session_cookie",
            f"The cookie {settings.SESSION_COOKIE_NAME!r} of the connection is not that of the session that "
            "asked for the token. If this is so for all users, another application sets a cookie of that "
            "name for the parent domain: give SESSION_COOKIE_NAME a name of your own.",
        )
    user = load_by_backend(row.user, row.auth_backend) if is_active(row.user) else None
    if user is None or not is_active(user):
        reason = "is inactive, or no longer known to the backend that logged the user in"
        raise TokenRefusedError("token: user", f"The user of the token {reason}.")
    set_related(row, "user", user)
    if not is_session_auth(row.session_auth_hash, user):
        raise TokenRefusedError("token: password", "The password has changed since the token was issued.")
    if has_ended(row):
        raise TokenRefusedError(
            "token: session",
            "The Django session of the token was deleted, has expired, or has a new key.",
        )
