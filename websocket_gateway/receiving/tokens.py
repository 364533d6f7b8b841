"""Single-use connect tokens: hashed at rest, bound to the user, their password and their Django session."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router
from django.utils import timezone

from websocket_gateway.auth_backends import known_backend
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.django_sessions import keep_session_key
from websocket_gateway.exceptions import RateLimitedError
from websocket_gateway.logins import hash_session_auth, sha256
from websocket_gateway.models import WebSocketToken
from websocket_gateway.receiving.limits import count_attempt
from websocket_gateway.receiving.token_rules import TokenRefusedError, check_token

_TOKEN_BYTES = 32
_TOKEN_MAX_LENGTH = 128
_TOKEN = r"[A-Za-z0-9_-]{43}"  # noqa: S105 - a pattern
"""What `secrets.token_urlsafe` makes of them."""
_MOST_REFUSED = 100
"""Tokens of one refused attempt that are looked up; a client sends one."""


def issue_token(user: AbstractBaseUser, session_key: str | None = None, *, backend: str | None = None) -> str:
    """Make a token for `user`: 43 URL-safe characters, valid once within `TOKEN_EXPIRY_SECONDS`.

    With `session_key`, a session cookie that comes with `$connect` must belong to that Django session, and
    its end (logout, expiry) ends token and socket. Native clients have none. `backend` is the dotted path of
    the authentication backend that gives the user to the connection; without it the one that `authenticate()`
    kept on the user, else the row of the user counts. Raises `RateLimitedError`
    beyond `TOKEN_RATE_LIMIT_PER_MINUTE` for this user, and `ValueError` for a user who is not in
    the database, such as `AnonymousUser`.
    """
    if user.pk is None:
        raise ValueError(f"A token is for a user who is in the database, not for {user!r}.")
    limit = get_settings().token_rate_limit_per_minute
    if limit > 0:  # 0 turns the limit off
        verdict = count_attempt("token", f"user:{user.pk}", limit=limit, window_seconds=60)
        if not verdict.allowed:
            raise RateLimitedError("Too many tokens in this minute.", retry_after=verdict.retry_after)
    return make_token(user, session_key, backend=backend)


def make_token(user: AbstractBaseUser, session_key: str | None = None, *, backend: str | None = None) -> str:
    """Make a token as `issue_token` does, without counting it."""
    now = timezone.now()
    _delete_spent(user, now)
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    row = WebSocketToken(
        token_hash=sha256(token),
        user_id=user.pk,
        session_auth_hash=hash_session_auth(user),
        auth_backend=known_backend(user) if backend is None else backend,
        created_on=now,
        expires_on=now + timedelta(seconds=get_settings().token_expiry_seconds),
    )
    keep_session_key(row, session_key)
    retry_when_busy(lambda: row.save(force_insert=True), model=WebSocketToken)
    return token


def consume_token(token: str, *, session_key: str | None = None) -> WebSocketToken | None:
    """`spend_token`, with None for a token that is not valid."""
    try:
        return spend_token(token, session_key=session_key)
    except TokenRefusedError:
        return None


def spend_token(token: str, *, session_key: str | None = None) -> WebSocketToken:
    """Use up a token: return its row, with `user` as its backend gives it. Raises `TokenRefusedError`.

    Exactly one of any number of simultaneous callers gets the row. `session_key` is that of the
    session cookie of the request, None for no cookie.
    """
    now = timezone.now()
    row = _find(token)
    if row is None:
        raise TokenRefusedError(
            "token: unknown", "The token is unknown, or a logout or a newer token has deleted it."
        )
    check_token(row, session_key, now)
    # The row above may be outdated; this one statement decides which caller uses the token.
    usable = WebSocketToken.objects.filter(pk=row.pk).usable(now)
    if not retry_when_busy(lambda: usable.update(used_on=now), model=WebSocketToken):
        raise TokenRefusedError("token: used", "The token was used at this very moment.")
    return row


def use_up_refused(tokens: Collection[str]) -> int:
    """Use up the tokens of an attempt that was refused, and return how many could still be used.

    A reader of logs must not connect with a token that stands there. Looks first: a stranger
    without a valid token causes no write.
    """
    hashes = {sha256(token) for token in tokens if re.fullmatch(_TOKEN, token)}
    if not hashes:
        return 0
    now = timezone.now()
    fresh = WebSocketToken.objects.using(router.db_for_write(WebSocketToken))
    usable = fresh.filter(token_hash__in=sorted(hashes)[:_MOST_REFUSED]).usable(now)
    keys = retry_when_busy(lambda: list(usable.values_list("pk", flat=True)), model=WebSocketToken)
    if not keys:
        return 0
    # As in `spend_token`: of an attempt that is accepted at this very moment, one of the two gets the token.
    known = WebSocketToken.objects.filter(pk__in=keys).usable(now)
    return retry_when_busy(lambda: known.update(used_on=now), model=WebSocketToken)


def _find(token: str) -> WebSocketToken | None:
    if not 0 < len(token) <= _TOKEN_MAX_LENGTH:
        return None
    # The token is new: a replica might not have it yet.
    fresh = WebSocketToken.objects.using(router.db_for_write(WebSocketToken))
    known = fresh.select_related("user").filter(token_hash=sha256(token))
    found: WebSocketToken | None = retry_when_busy(known.first, model=WebSocketToken)
    return found


def _delete_spent(user: AbstractBaseUser, now: datetime) -> None:
    """Delete old tokens when new ones are made, so that the limit bounds the rows of a user."""
    spent = WebSocketToken.objects.spent(now).filter(user_id=user.pk)
    retry_when_busy(spent.delete, model=WebSocketToken)
