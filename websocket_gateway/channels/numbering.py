"""Gives committed messages their offsets.

Offsets without gaps need a lock. Taken in the publisher's transaction, it would make publishers wait for each
other's business, or deadlock; numbers from a sequence become visible in any order, and a reader that
follows a cursor misses some. So a message commits without an offset, and is numbered afterwards, in a
short transaction that locks the counter of its channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.db import models, router, transaction
from django.db.models import F
from django.utils import timezone

from websocket_gateway import metrics
from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy, run_after_commit
from websocket_gateway.models import Channel, ChannelMessage

BATCH = 500
"""Messages in one transaction."""
ABANDONED_AFTER = timedelta(seconds=2)
"""A message that has waited longer lost its publisher: the process that numbers it sends it too."""


_PUBLISHED_EVERY = timedelta(minutes=1)


class Numbered(NamedTuple):
    """A message and its place."""

    pk: int
    created_on: datetime
    epoch: str
    offset: int


def number_messages(channel_name: str) -> list[Numbered]:
    """Number the committed messages of a channel, in the order in which they were inserted.

    Call it outside of a transaction. Safe to repeat: what has an offset keeps it.
    """
    using = router.db_for_write(ChannelMessage)
    numbered: list[Numbered] = []
    while True:
        batch = retry_when_busy(
            partial(_number_batch, channel_name, using), model=ChannelMessage, using=using
        )
        if batch is None:
            insert_unless_exists(Channel(name=channel_name))
            continue
        numbered += batch
        if batch and metrics.recorder is not None:
            published = partial(metrics.count, "history.publishes", len(batch))
            run_after_commit(published, model=ChannelMessage, using=using)
        if len(batch) < BATCH:
            return numbered


def place_of(pk: int) -> Numbered | None:
    """A message that another process has numbered; None if it has no offset, or is gone already."""
    found = (
        ChannelMessage.objects.using(router.db_for_write(ChannelMessage))
        .filter(pk=pk, offset__isnull=False)
        .annotate(
            epoch=models.Subquery(
                Channel.objects.filter(name=models.OuterRef("channel_name")).values("epoch")
            )
        )
        .values_list("pk", "created_on", "epoch", "offset")
    )
    row: tuple[int, datetime, str, int] | None = retry_when_busy(found.first, model=ChannelMessage)  # type: ignore[assignment]
    return Numbered(*row) if row else None


def waiting(channel_name: str | models.OuterRef) -> models.QuerySet[ChannelMessage]:
    """The messages of a channel that have no offset yet."""
    return ChannelMessage.objects.filter(channel_name=channel_name, offset__isnull=True)


def _number_batch(channel_name: str, using: str) -> list[Numbered] | None:
    """Number up to `BATCH` messages; None if the channel has no counter yet."""
    counter = Channel.objects.using(using).filter(name=channel_name)
    with transaction.atomic(using=using):
        # Locks the row. A transaction that began with a SELECT could not wait for another one on SQLite.
        if not counter.update(last_offset=F("last_offset")):
            return None
        rows = list(_waiting_with_counter(channel_name, using)[:BATCH])
        numbered = [
            Numbered(pk, created_on, epoch, last_offset + place)
            for place, (pk, created_on, epoch, last_offset, _) in enumerate(rows, 1)
        ]
        if numbered:
            _save_offsets(numbered, using)
            counter.update(last_offset=numbered[-1].offset, **_published(rows[0][-1]))
    return numbered


def _waiting_with_counter(
    channel_name: str, using: str
) -> models.QuerySet[ChannelMessage, tuple[int, datetime, str, int, datetime | None]]:
    """The messages to number, and in each row the counter, in one query that runs under its lock."""
    counter = Channel.objects.filter(name=channel_name)
    names = ("epoch", "last_offset", "published_on")
    values = {f"channel_{name}": models.Subquery(counter.values(name)) for name in names}
    query = waiting(channel_name).using(using).order_by("pk").annotate(**values)
    return query.values_list("pk", "created_on", *values)


def _published(before: datetime | None) -> dict[str, datetime]:
    """The new `published_on`, at most once a minute: an update of an indexed column is expensive."""
    now = timezone.now()
    return {"published_on": now} if before is None or now - before >= _PUBLISHED_EVERY else {}


def _save_offsets(numbered: Sequence[Numbered], using: str) -> None:
    messages = ChannelMessage.objects.using(using)
    if len(numbered) == 1:
        messages.filter(pk=numbered[0].pk).update(offset=numbered[0].offset)
        return
    offsets = models.Case(
        *(models.When(pk=message.pk, then=message.offset) for message in numbered),
        output_field=models.BigIntegerField(),
    )
    messages.filter(pk__in=[message.pk for message in numbered]).update(offset=offsets)
