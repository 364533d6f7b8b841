"""Who gets it: audiences by what they are called for."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet

from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.models import ApiGateway, BroadcastRun, ChannelSubscription, WebSocketSession
from websocket_gateway.sending.paging import (
    CONNECTED,
    Audience,
    FixedStream,
    ListStream,
    QueryStream,
    connected_sessions,
)
from websocket_gateway.sending.queries import bare, is_fixed, refuse_unless_sessions


def of_query(to: QuerySet[WebSocketSession] | WebSocketSession) -> Audience:
    """The connected ones among the sessions of a query, or one session.

    Slices, unions, `distinct(*fields)` and queries with window functions mean exactly the
    sessions they give at this moment, or gave when they were evaluated. Raises `TypeError` for
    anything else than sessions, such as groups of them.
    """
    if isinstance(to, WebSocketSession):
        return Audience((QueryStream(connected_sessions().filter(pk=to.pk)),))
    refuse_unless_sessions(to)
    whole_channel = getattr(to, "whole_channel", None)  # other managers' querysets know no channels
    if whole_channel is not None:
        return of_channel(whole_channel)
    stream = FixedStream(to) if is_fixed(to) else QueryStream(bare(to).filter(**CONNECTED))
    return Audience((stream,))


def of_channel(channel_name: str) -> Audience:
    """The connected sessions of a channel, primary or subscribed."""
    subscriptions = ChannelSubscription.objects.filter(channel_name=channel_name, session__connected=True)
    return Audience(
        (
            QueryStream(connected_sessions().filter(channel_name=channel_name)),
            QueryStream(subscriptions, key="session_id", prefix="session__"),
        )
    )


def of_user(user: AbstractBaseUser) -> Audience:
    """The connected sessions of a user; raises `ValueError` for one without a primary key.

    Nobody's sessions are those of all anonymous visitors, and a message for one of them is not for all.
    """
    if user.pk is None:
        raise ValueError(f"{user!r} is nobody in the database. Send to the visitor's own session instead.")
    return Audience((QueryStream(connected_sessions().filter(user_id=user.pk)),))


def of_everyone() -> Audience:
    """All connected sessions, gateway by gateway, because that is how they are indexed."""
    gateways = ApiGateway.objects.order_by("pk").values_list("pk", flat=True)
    return Audience(tuple(QueryStream(connected_sessions().filter(api_gateway_id=pk)) for pk in gateways))


def of_connection_ids(connection_ids: Iterable[str]) -> Audience:
    """The connected ones among connections whose ids are known; raises `TypeError` for a text."""
    if isinstance(connection_ids, (str, bytes)):
        raise TypeError(f"connection_ids must be a list, not {connection_ids!r}: write [{connection_ids!r}].")
    return Audience((ListStream(tuple(dict.fromkeys(connection_ids))),))


def of_run(run: BroadcastRun) -> Audience:
    """The connected sessions a broadcast is for."""
    if run.audience == BroadcastRun.Audience.CHANNEL:
        return of_channel(run.channel_name)
    if run.audience == BroadcastRun.Audience.EVERYONE:
        return of_everyone()
    return of_user(run.user) if run.user is not None else Audience(())


def find_user(name: str) -> AbstractBaseUser:
    """The user of that name; raises `WebSocketGatewayError` where there is none."""
    model = get_user_model()
    try:
        user: AbstractBaseUser = model._default_manager.get(**{model.USERNAME_FIELD: name})
    except model.DoesNotExist as exc:
        raise WebSocketGatewayError(f"No user is called {name!r}.") from exc
    return user
