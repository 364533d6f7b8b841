"""Open sockets of the old package, which this one serves from now on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from websocket_gateway.connections.ending import ending
from websocket_gateway.connections.sessions import oldest_alive
from websocket_gateway.legacy import tables
from websocket_gateway.logins import hash_session_auth, is_active
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.receiving.events import is_identifier
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH

_SESSION_KEY_SALT = "django_aws_api_gateway_websockets.WebSocketToken.session_key"
_SESSION_AUTH_SALT = "django_aws_api_gateway_websockets.WebSocketSession.auth_hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCounts:
    """How many sockets were imported, left out, or ended because the old package saw them end since."""

    imported: int = 0
    left_out: int = 0
    ended: int = 0


def count_sessions(known: Mapping[int, ApiGateway]) -> SessionCounts:
    """The counts that `import_sessions` would return."""
    return _process(known, save=False)


def import_sessions(known: Mapping[int, ApiGateway]) -> SessionCounts:
    """Insert the open sockets that are not here yet, and end those that the old package has seen end.

    `known` maps old gateways to ours. A socket is left out if it has no gateway, or belongs to a login
    that is no longer valid; one that is older than any can be is not looked at.
    """
    return _process(known, save=True)


def _process(known: Mapping[int, ApiGateway], *, save: bool) -> SessionCounts:
    counts = SessionCounts()
    # The old package never tidied up: rows of years ago may still be marked as connected.
    for page in tables.read_sessions(connected=True, created_on__gt=oldest_alive(timezone.now())):
        here = set(_known(page).values_list("connection_id", flat=True))
        new = [old for old in page if old.connection_id not in here]
        rows = list(_sessions(new, known))
        if save:
            # A `$disconnect` that came in this very moment left an ended row, and ended wins.
            WebSocketSession.objects.bulk_create(rows, ignore_conflicts=True)
        counts = replace(
            counts,
            imported=counts.imported + len(rows),
            left_out=counts.left_out + len(new) - len(rows),
        )
    return replace(counts, ended=_end(save=save))


def _end(*, save: bool) -> int:
    ended = 0
    for page in tables.read_sessions(connected=False, updated_on__gt=oldest_alive(timezone.now())):
        still_open = list(_known(page).filter(connected=True))
        ended += len(still_open)
        if save:
            with ending(still_open, reason="client"):
                pass  # the other package's sockets are closed already
    return ended


def _sessions(
    page: list[tables.LegacySession], known: Mapping[int, ApiGateway]
) -> Iterator[WebSocketSession]:
    users = _users_of(page)
    for old in page:
        gateway = None if old.api_gateway_id is None else known.get(old.api_gateway_id)
        user = users.get(_user_key(old))
        lost = old.user_id is not None and (user is None or not login_holds(user, old.auth_hash or ""))
        if gateway is None or lost or not is_identifier(old.connection_id):
            continue
        yield WebSocketSession(
            connection_id=old.connection_id,
            channel_name=(old.channel_name or "")[:CHANNEL_NAME_MAX_LENGTH],
            user=user,
            api_gateway=gateway,
            session_key_hash=old.session_key_hash or "",
            session_auth_hash=hash_session_auth(user) if user is not None else "",
            created_on=old.created_on,
            last_seen_on=old.updated_on or old.created_on,
        )


def _known(page: list[tables.LegacySession]) -> QuerySet[WebSocketSession]:
    """Those of a page that are here."""
    current = WebSocketSession.objects.using(router.db_for_write(WebSocketSession))
    return current.filter(connection_id__in=[old.connection_id for old in page])


def _users_of(page: list[tables.LegacySession]) -> dict[object, Any]:
    keys = {_user_key(old) for old in page} - {None}
    users = get_user_model()._default_manager
    return dict(users.using(router.db_for_write(users.model)).in_bulk(list(keys)))


def _user_key(old: tables.LegacySession) -> object:
    """The user's primary key as Python knows it; SQLite and MariaDB keep a UUID as text."""
    return get_user_model()._meta.pk.to_python(old.user_id)


def legacy_session_key_hash(session_key: str) -> str:
    """The hash that the old package stored of a Django session; imported sessions keep it."""
    return salted_hmac(_SESSION_KEY_SALT, session_key, algorithm="sha256").hexdigest()


def login_holds(user: AbstractBaseUser, stored: str) -> bool:
    """Whether the login that opened a socket is still valid; `stored` is empty if no hash was stored."""
    if not is_active(user):
        return False
    make = getattr(user, "get_session_auth_hash", None)
    if not stored or make is None:
        return True
    current = salted_hmac(_SESSION_AUTH_SALT, make(), algorithm="sha256").hexdigest()
    return constant_time_compare(stored, current)
