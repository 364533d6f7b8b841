"""The latest offset of channels, always read from the database that is written to."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from django.db import models, router
from django.utils import timezone

from websocket_gateway.channels.numbering import ABANDONED_AFTER, waiting
from websocket_gateway.channels.positions import Position
from websocket_gateway.compiled_statements import CompiledQuery, Given
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.models import Channel, ChannelMessage, ChannelSubscription, WebSocketSession


class Head(NamedTuple):
    """The state of a channel with a history, for one reader."""

    epoch: str = ""
    last_offset: int = 0
    abandoned: bool = False
    """Whether a committed message has waited so long for its offset that its publisher must be dead."""
    joined: bool = False
    """Whether the connection of the reader has subscribed to the channel."""

    @property
    def position(self) -> Position:
        """The position of a reader who has seen everything."""
        return Position(self.epoch, self.last_offset)


def read_heads(names: Collection[str], *, session: WebSocketSession | None = None) -> dict[str, Head]:
    """The heads of these channels, in one query; that of a channel without a message so far is empty.

    `joined` is about `session`. For channels without a message it needs a second query.
    """
    using = router.db_for_write(Channel)
    values: dict[str, object] = {f"name{number}": name for number, name in enumerate(names)}
    values |= {"before": timezone.now() - ABANDONED_AFTER, "session": session.pk if session else None}
    rows = retry_when_busy(lambda: _heads_of(len(names)).rows(using, **values), model=Channel, using=using)
    heads = {row[0]: Head(*row[1:]) for row in rows}
    unused = [channel for channel in names if channel not in heads]
    subscribed = _subscribed(session, unused) if session and unused else set()
    return {**{channel: Head(joined=channel in subscribed) for channel in unused}, **heads}


@lru_cache(maxsize=128)
def _heads_of(number: int) -> CompiledQuery:
    """The SELECT of so many heads. Each heartbeat of a client with a history runs it."""
    names = [Given(f"name{place}", Channel, "name") for place in range(number)]
    before = Given("before", ChannelMessage, "created_on")
    session = Given("session", ChannelSubscription)

    def build() -> models.QuerySet[Channel, tuple[object, ...]]:
        name = models.OuterRef("name")
        joined = ChannelSubscription.objects.filter(channel_name=name, session_id=session)
        found = Channel.objects.filter(name__in=names).annotate(
            abandoned=models.Exists(waiting(name).filter(created_on__lt=before)), joined=models.Exists(joined)
        )
        return found.values_list("name", "epoch", "last_offset", "abandoned", "joined")

    return CompiledQuery(build)


def _subscribed(session: WebSocketSession, names: Collection[str]) -> set[str]:
    """Which of the channels without a counter the connection has subscribed to."""
    using = router.db_for_write(ChannelSubscription)
    mine = ChannelSubscription.objects.using(using).filter(session=session, channel_name__in=list(names))
    found = mine.values_list("channel_name", flat=True)
    return set(retry_when_busy(lambda: list(found), model=ChannelSubscription, using=using))
