"""Whether a connect token could be used now: the limits of the views that would get it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser

from websocket_gateway.connections.sessions import has_open
from websocket_gateway.receiving.limits import find_used_up
from websocket_gateway.views.limits import RETRY_AFTER_FULL, SCOPE, read_limit, user_key, window_seconds
from websocket_gateway.views.routed import find_routed_views
from websocket_gateway.views.websocket import WebSocketView

_Read = Callable[[str], Any]
"""Answers an attribute of a view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The rule that would refuse the connection, and in how many seconds it may not."""

    rule: str
    retry_after: int


def find_refusal(user: AbstractBaseUser) -> Refusal | None:
    """What keeps `user` from connecting to any view of the URLconf; None if one of them would accept.

    A URLconf without such views belongs to a project that serves them elsewhere: the settings hold then.
    """
    views = _readers(settings.ROOT_URLCONF)
    retry_after = _attempts_used_up(user, views)
    if retry_after is not None:
        return Refusal(rule="RATE_LIMIT_MAX_ATTEMPTS", retry_after=retry_after)
    most = [read_limit(read, "MAX_CONNECTIONS_PER_USER") for read in views]
    if min(most) > 0 and has_open(user.pk, max(most)):
        return Refusal(rule="MAX_CONNECTIONS_PER_USER", retry_after=RETRY_AFTER_FULL)
    return None


def _attempts_used_up(user: AbstractBaseUser, views: tuple[_Read, ...]) -> int | None:
    if not all(read("RATE_LIMIT_ENABLED") for read in views):
        return None
    limits: dict[int, int] = {}
    for read in views:
        seconds = window_seconds(read)
        limits[seconds] = max(limits.get(seconds, 0), read_limit(read, "RATE_LIMIT_MAX_ATTEMPTS"))
    return find_used_up(SCOPE, user_key(user), limits)


@lru_cache(maxsize=8)
def _readers(urlconf: str) -> tuple[_Read, ...]:
    """The views of a URLconf, which a process walks through once."""
    return tuple(view.read for view in find_routed_views()) or (_default,)


def _default(name: str) -> Any:
    return getattr(WebSocketView, name)
