"""Signal receivers that end the sockets of a user: logout, a new password, deactivation, deletion."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextvars import ContextVar

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_out
from django.core.signals import request_finished
from django.db import Error, router
from django.db import connections as database_connections
from django.db.models import QuerySet
from django.db.models.signals import post_delete, post_save, pre_delete
from django.http import HttpRequest

from websocket_gateway import connections
from websocket_gateway.channels import history
from websocket_gateway.inboxes import is_inbox, name_inbox
from websocket_gateway.log_records import get_logger
from websocket_gateway.logins import (
    current_session_key,
    has_lasting_session_keys,
    hash_session_key,
    is_active,
    is_session_auth,
)
from websocket_gateway.models import ApiGateway, WebSocketSession, WebSocketToken
from websocket_gateway.models.sessions import channels_changed
from websocket_gateway.receiving.authentication import forget_gateways
from websocket_gateway.receiving.refusals import count_refusal, write_refusals
from websocket_gateway.security_log import observers, write_left_out

logger = get_logger("websocket_gateway.connections")

# Tokens and connections of the sessions that end in this request.
_logged_out: ContextVar[tuple[tuple[QuerySet[WebSocketToken], QuerySet[WebSocketSession]], ...]] = ContextVar(
    "websocket_gateway_logged_out", default=()
)
_FIELDS_OF_LOGIN = frozenset({"password", "is_active"})


def connect_receivers() -> None:
    """Connect everything here; called once, when the apps are ready."""
    uid = "websocket_gateway.receivers"
    user_logged_out.connect(end_logged_out, dispatch_uid=uid)
    # Proxies and children of the user model send signals of their own. To listen to every
    # model instead would cost all of them their fast deletes.
    for model in apps.get_models():
        if issubclass(model, get_user_model()):
            post_save.connect(end_changed_user, sender=model, dispatch_uid=uid)
            pre_delete.connect(end_deleted_user, sender=model, dispatch_uid=uid)
    channels_changed.connect(follow_channels, sender=WebSocketSession, dispatch_uid=uid)
    post_save.connect(forget_gateways, sender=ApiGateway, dispatch_uid=uid)
    post_delete.connect(forget_gateways, sender=ApiGateway, dispatch_uid=uid)
    request_finished.connect(write_left_out, dispatch_uid=uid)
    request_finished.connect(end_late_sockets, dispatch_uid=f"{uid}.logout")
    if count_refusal not in observers:
        observers.append(count_refusal)
    request_finished.connect(write_refusals, dispatch_uid=f"{uid}.refusals")


def end_logged_out(
    sender: object, request: HttpRequest, user: AbstractBaseUser | None, **kwargs: object
) -> None:
    """End the sockets and tokens of the Django session that ends, and no others.

    A session in a signed cookie has no lasting key. Then all sockets of the user that belong to no
    session end.
    """
    from websocket_gateway.legacy.sessions import legacy_session_key_hash

    if user is None:
        return
    session_key = current_session_key(request)
    if session_key is None and has_lasting_session_keys():
        return
    key_hash = hash_session_key(session_key)
    WebSocketToken.objects.filter(user_id=user.pk, session_key_hash=key_hash).delete()
    # An imported socket still has the hash of the other package.
    key_hashes = [key_hash, legacy_session_key_hash(session_key)] if session_key else [key_hash]
    found = _sessions(user).filter(session_key_hash__in=key_hashes)
    connections.revoke(found, reason="logout")
    if session_key:
        tokens = WebSocketToken.objects.filter(user_id=user.pk, session_key_hash=key_hash)
        _logged_out.set((*_logged_out.get(), (tokens, found)))


def end_late_sockets(**kwargs: object) -> None:
    """End what the session opened during its logout; a receiver of the end of the request.

    Django deletes the session after its signal. A page whose socket was closed by the receiver may have
    connected again in between, while the session still counted.
    """
    ended = _logged_out.get()
    _logged_out.set(())
    for tokens, sessions in ended:
        try:
            tokens.all().delete()
            connections.revoke(sessions.all(), reason="logout")
        except Error as exc:
            logger.warning("A logout may have left a socket: %s", exc, extra={"event": "close_failed"})
        finally:
            # Django has closed the connections of this request already.
            if not database_connections[sessions.db].in_atomic_block:
                database_connections[sessions.db].close_if_unusable_or_obsolete()


def end_changed_user(
    sender: object,
    instance: AbstractBaseUser,
    created: bool,
    raw: bool = False,
    update_fields: Collection[str] | None = None,
    **kwargs: object,
) -> None:
    """End all sockets of a user who is no longer active, and the sockets opened with an old password."""
    if created or raw or (update_fields is not None and not _FIELDS_OF_LOGIN & set(update_fields)):
        return
    active = is_active(instance)
    outdated = [
        session.pk
        for session in _sessions(instance).only("pk", "session_auth_hash")
        if not active or not is_session_auth(session.session_auth_hash, instance)
    ]
    if outdated:
        found = WebSocketSession.objects.filter(pk__in=outdated)
        connections.revoke(found, reason="password" if active else "deactivated")
    if not active:
        WebSocketToken.objects.filter(user_id=instance.pk).delete()


def end_deleted_user(sender: object, instance: AbstractBaseUser, **kwargs: object) -> None:
    """End all sockets of a user in the transaction that deletes the user, so that none stays as anonymous.

    The inbox is emptied: a later account may get the same primary key.
    """
    connections.revoke(_sessions(instance), reason="deleted")
    name = name_inbox(instance.pk)
    if is_inbox(name):
        history.forget(name)


def follow_channels(
    sender: object,
    sessions: Sequence[WebSocketSession],
    joined: Collection[str],
    left: Collection[str] | None,
    repeated: bool,
    **kwargs: object,
) -> None:
    """Act on connections that have joined or left channels."""
    from websocket_gateway.sending.memberships import follow

    follow(sender, sessions, joined, left, repeated)


def _sessions(user: AbstractBaseUser) -> QuerySet[WebSocketSession]:
    current = WebSocketSession.objects.using(router.db_for_write(WebSocketSession))
    found: QuerySet[WebSocketSession] = current.filter(user_id=user.pk, connected=True)
    return found
