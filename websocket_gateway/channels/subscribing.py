"""Joins several channels at once."""

from __future__ import annotations

from collections.abc import Collection

from django.db import router

from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.models import ChannelSubscription, WebSocketSession
from websocket_gateway.models.sessions import announce_move
from websocket_gateway.signals import channel_joined


def join(session: WebSocketSession, names: Collection[str], *, limit: int) -> set[str]:
    """Subscribe to all of `names`, as far as the connection stays within `limit`; returns the joined ones.

    Counted afterwards: of several frames of one connection at the same time, the last one sees all rows.
    """
    using = router.db_for_write(ChannelSubscription)
    subscriptions = ChannelSubscription.objects.using(using)
    before = _subscribed(session, names) if channel_joined.has_listeners(WebSocketSession) else None
    wanted = [
        ChannelSubscription(session=session, channel_name=name)
        for name in names
        if name != session.channel_name
    ]
    if wanted:
        retry_when_busy(
            lambda: subscriptions.bulk_create(wanted, ignore_conflicts=True),
            model=ChannelSubscription,
            using=using,
        )
    mine = subscriptions.filter(session=session).order_by("pk").values_list("channel_name", flat=True)
    rows = retry_when_busy(lambda: list(mine), model=ChannelSubscription)
    beyond = set(rows[limit:]) & set(names)
    if beyond:
        extra = subscriptions.filter(session=session, channel_name__in=beyond)
        retry_when_busy(extra.delete, model=ChannelSubscription)
    joined = ({session.channel_name, *rows} - beyond).intersection(names)
    new = joined - {session.channel_name} - (before or set())
    announce_move([session], joined=sorted(new), repeated=before is None)
    announce_move([session], joined=sorted(joined - new), repeated=True)
    return joined


def _subscribed(session: WebSocketSession, names: Collection[str]) -> set[str]:
    """Which of the channels the connection has subscribed to already."""
    subscriptions = ChannelSubscription.objects.using(router.db_for_write(ChannelSubscription))
    mine = subscriptions.filter(session=session, channel_name__in=list(names))
    return set(
        retry_when_busy(lambda: list(mine.values_list("channel_name", flat=True)), model=ChannelSubscription)
    )
