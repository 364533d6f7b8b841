"""The audiences of messages: a query, a channel, a user, everyone, some connections, a broadcast."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import router
from django.db.models import QuerySet

from websocket_gateway.connections.sessions import database_of, database_of_query
from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.inboxes import require_inbox
from websocket_gateway.models import ApiGateway, BroadcastRun, WebSocketSession
from websocket_gateway.sending.channel_streams import PRIMARY, SUBSCRIBED, ChannelStream
from websocket_gateway.sending.paging import (
    Audience,
    FixedStream,
    ListStream,
    QueryStream,
)
from websocket_gateway.sending.queries import (
    CONNECTED,
    bare,
    connected_sessions,
    is_fixed,
    refuse_unless_sessions,
)
from websocket_gateway.validators import validate_channel_name


def find_audience(
    *,
    channel: str | None = None,
    user: AbstractBaseUser | None = None,
    everyone: bool = False,
    connection_ids: Iterable[str] | None = None,
    inbox: bool = False,
) -> Audience:
    """The audience of a `broadcast` with these arguments. Raises `TypeError` unless exactly one is given."""
    if inbox and user is None:
        raise TypeError("inbox=True needs a user, and none of channel, everyone=True and connection_ids.")
    if (channel is not None) + (user is not None) + everyone + (connection_ids is not None) != 1:
        raise TypeError("Give exactly one of channel, user, everyone=True and connection_ids.")
    if channel is not None:
        try:
            validate_channel_name(channel)
        except ValidationError as exc:
            raise ValidationError({"channel": exc.messages}) from exc
        return audience_of_channel(channel)
    if user is not None and inbox:
        return audience_of_channel(require_inbox(user))
    if connection_ids is not None:
        return audience_of_connections(connection_ids)
    return audience_of_user(user) if user is not None else audience_of_everyone()


def audience_of(to: QuerySet[WebSocketSession] | WebSocketSession) -> Audience:
    """The connected sessions of a query, or one session.

    Slices, unions, `distinct(*fields)` and queries with window functions mean exactly the
    sessions they give at this moment, or gave when they were evaluated. Raises `TypeError` for
    a query whose rows are not sessions, such as groups of them.
    """
    if isinstance(to, WebSocketSession):
        using = database_of(to)
        found = connected_sessions().using(using).filter(pk=to.pk, connection_id=to.connection_id)
        return Audience((QueryStream(found),), using)
    refuse_unless_sessions(to)
    channel_name = whole_channel_of(to)
    if channel_name is not None:
        return audience_of_channel(channel_name)
    stream = FixedStream(to) if is_fixed(to) else QueryStream(bare(to).filter(**CONNECTED))
    return Audience((stream,), database_of_query(to))


def whole_channel_of(to: QuerySet[WebSocketSession] | WebSocketSession) -> str | None:
    """The channel whose sessions a query gives, all of them; None for every other query."""
    # The QuerySet of another manager has no such attribute.
    name: str | None = getattr(to, "whole_channel", None)
    return name


def audience_of_channel(channel_name: str, *, but: Collection[int] = ()) -> Audience:
    """The connected sessions of a channel, primary or subscribed, without those with the keys in `but`."""
    streams = tuple(ChannelStream(channel_name, membership) for membership in (PRIMARY, SUBSCRIBED))
    if not but:
        return Audience(streams)
    return Audience(tuple(stream.as_query().without(but) for stream in streams))


def audience_of_user(user: AbstractBaseUser) -> Audience:
    """The connected sessions of a user; raises `ValueError` for one without a primary key.

    Sessions without a user belong to all anonymous visitors, and a message is for one of them.
    """
    if user.pk is None:
        raise ValueError(f"{user!r} is not in the database. Send to the visitor's own session instead.")
    return Audience((QueryStream(connected_sessions().filter(user_id=user.pk)),))


def audience_of_everyone() -> Audience:
    """All connected sessions, gateway by gateway, as they are indexed."""
    current = ApiGateway.objects.using(router.db_for_write(ApiGateway))
    gateways = current.order_by("pk").values_list("pk", flat=True)
    return Audience(tuple(QueryStream(connected_sessions().filter(api_gateway_id=pk)) for pk in gateways))


def audience_of_connections(connection_ids: Iterable[str]) -> Audience:
    """The connected sessions among connections whose ids are known; raises `TypeError` for a str."""
    if isinstance(connection_ids, (str, bytes)):
        raise TypeError(f"connection_ids must be a list, not {connection_ids!r}: write [{connection_ids!r}].")
    return Audience((ListStream(tuple(dict.fromkeys(connection_ids))),))


def audience_of_run(run: BroadcastRun) -> Audience:
    """The connected sessions that a broadcast is for."""
    if run.audience == BroadcastRun.AudienceType.CHANNEL:
        return audience_of_channel(run.channel_name)
    if run.audience == BroadcastRun.AudienceType.EVERYONE:
        return audience_of_everyone()
    return audience_of_user(run.user) if run.user is not None else Audience(())


def describe_audience(*, channel: str | None = None, user: str | None = None) -> str:
    """The audience of a message in words; everyone without a channel and a user name."""
    if channel is not None:
        return f"channel {channel!r}"
    return "everyone" if user is None else f"user {user!r}"


def find_user(name: str) -> AbstractBaseUser:
    """The user of that name; raises `WebSocketGatewayError` if there is none."""
    model = get_user_model()
    try:
        # Not from a replica, which might not know yet who has just registered.
        users = model._default_manager.using(router.db_for_write(model))
        user: AbstractBaseUser = users.get(**{model.USERNAME_FIELD: name})
    except model.DoesNotExist as exc:
        raise WebSocketGatewayError(f"No user is called {name!r}.") from exc
    return user
