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

from django.db import connections, models, router, transaction
from django.db.models import F
from django.utils import timezone

from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy
from websocket_gateway.models import Channel, ChannelMessage

BATCH = 500
"""Messages in one transaction."""
ABANDONED_AFTER = timedelta(seconds=2)
"""A message that has waited longer for its offset lost its publisher: whoever numbers it sends it, too."""


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
    with transaction.atomic(using=using):
        channel = _lock(channel_name, using)
        if channel is None:
            return None
        rows = waiting(channel_name).using(using).order_by("pk").values_list("pk", "created_on")[:BATCH]
        numbered = [
            Numbered(pk, created_on, channel.epoch, offset)
            for offset, (pk, created_on) in enumerate(rows, channel.last_offset + 1)
        ]
        if numbered:
            _save_offsets(numbered, using)
            Channel.objects.using(using).filter(pk=channel.pk).update(
                last_offset=numbered[-1].offset, published_on=timezone.now()
            )
    return numbered


def _lock(channel_name: str, using: str) -> Channel | None:
    """The counter, locked until the end of the transaction."""
    row = Channel.objects.using(using).filter(name=channel_name)
    if connections[using].vendor == "sqlite":
        # A transaction that begins with a SELECT could not wait for another one that writes.
        row.update(last_offset=F("last_offset"))
        return row.first()
    return row.select_for_update().first()


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
