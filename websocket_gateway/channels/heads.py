"""The latest offset of channels, always read from the database that is written to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import models, router
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from websocket_gateway.channels.numbering import ABANDONED_AFTER, waiting
from websocket_gateway.channels.positions import Position
from websocket_gateway.compiled_queries.statements import CompiledQuery, Given
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.conf import ChannelOptions, get_settings
from websocket_gateway.models import (
    Channel,
    ChannelCursor,
    ChannelMessage,
    ChannelSubscription,
    WebSocketSession,
)

_FIELDS = ("name", "epoch", "last_offset", "abandoned", "joined")


class Head(NamedTuple):
    """The state of a channel with a history, for one reader."""

    epoch: str = ""
    last_offset: int = 0
    abandoned: bool = False
    """Whether a committed message has waited so long for its offset that its publisher must be dead."""
    joined: bool = False
    """Whether the connection of the reader has subscribed to the channel."""
    acked: int = 0
    """The offset up to which the reader has acknowledged; 0 for none in this epoch."""
    unread: int = 0
    """How many messages after that, or after the offset that was asked for, the reader can still get."""

    @property
    def position(self) -> Position:
        """The position of a reader who has seen everything."""
        return Position(self.epoch, self.last_offset)

    def progress(self) -> dict[str, object]:
        """How far the reader is, as frames have it; `last` is the latest offset that `unread` counts."""
        return {"epoch": self.epoch, "acked": self.acked, "last": self.last_offset, "unread": self.unread}


def read_heads(
    names: Collection[str],
    *,
    session: WebSocketSession | None = None,
    readers: Collection[object] = (),
    after: Mapping[str, Position] | None = None,
) -> dict[str, Head]:
    """The heads of these channels, in one query; that of a channel without a message so far is empty.

    `joined` is about `session`. For channels without a message it needs a second query. `acked` and `unread`
    are those of the users with the primary keys in `readers`, in channels with `ACKS`; of several, each
    channel must belong to one. With `after`, what is read up to these positions counts as acknowledged.
    """
    using = router.db_for_write(Channel)
    before = timezone.now() - ABANDONED_AFTER
    if groups := _with_acks(names) if readers else {}:
        unread = _annotate_unread(
            _heads(names, before, session.pk if session else None), readers, groups, after or {}
        )
        found = unread.using(using).values_list(*_FIELDS, "acked", "unread")
        rows = retry_when_busy(lambda: list(found), model=Channel, using=using)
    else:
        values: dict[str, object] = {f"name{number}": name for number, name in enumerate(names)}
        values |= {"before": before, "session": session.pk if session else None}
        query = _heads_of(len(names))
        rows = retry_when_busy(lambda: query.rows(using, **values), model=Channel, using=using)
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
    return CompiledQuery(lambda: _heads(names, before, session).values_list(*_FIELDS))


def _heads(names: Collection[object], before: object, session: Any) -> models.QuerySet[Channel]:
    name = models.OuterRef("name")
    joined = ChannelSubscription.objects.filter(channel_name=name, session_id=session)
    return Channel.objects.filter(name__in=list(names)).annotate(
        abandoned=models.Exists(waiting(name).filter(created_on__lt=before)), joined=models.Exists(joined)
    )


def has_acks(channel_name: str) -> bool:
    """Whether `CHANNELS` gives the channel acknowledgements."""
    return get_settings().channel_options(channel_name).acks


def _with_acks(names: Collection[str]) -> dict[ChannelOptions, list[str]]:
    """The channels with acknowledgements, by what their histories keep."""
    found: dict[ChannelOptions, list[str]] = defaultdict(list)
    for name in names:
        options = get_settings().channel_options(name)
        if options.acks:
            found[options].append(name)
    return found


def _annotate_unread(
    query: models.QuerySet[Channel],
    readers: Collection[object],
    groups: Mapping[ChannelOptions, list[str]],
    after: Mapping[str, Position],
) -> models.QuerySet[Channel]:
    """Count in the same query what each reader has not acknowledged, and can still get."""
    cursor = ChannelCursor.objects.filter(
        user_id__in=list(readers), channel_name=models.OuterRef("name"), epoch=models.OuterRef("epoch")
    )
    acked = Coalesce(models.Subquery(cursor.values("acked_offset")[:1]), _number(0))
    asked = [
        models.When(name=name, then=_number(at.offset), **({"epoch": at.epoch} if at.epoch else {}))
        for name, at in after.items()
    ]
    start = Greatest("acked", models.Case(*asked, default=_number(0))) if asked else models.F("acked")
    counts = [models.When(name__in=some, then=count_after(options)) for options, some in groups.items()]
    unread = models.Case(*counts, default=_number(0))
    found: models.QuerySet[Channel] = (
        query.annotate(acked=acked).annotate(start=start).annotate(unread=unread)
    )
    return found


def count_after(options: ChannelOptions) -> models.Expression:
    """The number of messages after `start`, a column of the outer query, that a client can still get."""
    messages = ChannelMessage.objects.filter(
        channel_name=models.OuterRef("name"),
        offset__gt=models.OuterRef("start"),
        offset__lte=models.OuterRef("last_offset"),
        created_on__gte=options.oldest_kept(timezone.now()),
    ).filter(offset__gt=models.OuterRef("last_offset") - options.history_messages)
    counted = (
        messages.order_by()
        .values("channel_name")
        .annotate(number=models.Count("pk", output_field=models.BigIntegerField()))
    )
    return Coalesce(
        models.Subquery(counted.values("number"), output_field=models.BigIntegerField()), _number(0)
    )


def _number(value: int) -> models.Value:
    return models.Value(value, output_field=models.BigIntegerField())


def _subscribed(session: WebSocketSession, names: Collection[str]) -> set[str]:
    """Which of the channels without a counter the connection has subscribed to."""
    using = router.db_for_write(ChannelSubscription)
    mine = ChannelSubscription.objects.using(using).filter(session=session, channel_name__in=list(names))
    found = mine.values_list("channel_name", flat=True)
    return set(retry_when_busy(lambda: list(found), model=ChannelSubscription, using=using))
