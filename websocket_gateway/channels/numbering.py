"""Gives committed messages their offsets.

Offsets without gaps need a lock. Taken in the publisher's transaction, it would make publishers wait for each
other's business, or deadlock; numbers from a sequence become visible in any order, and a reader that
follows a cursor misses some. So a message commits without an offset, and is numbered afterwards, in a
short transaction that locks the counter of its channel. All publishers of a channel wait for this lock, so
its statements are compiled once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import Any, NamedTuple, cast

from django.db import connections, models, router, transaction
from django.db.models import F
from django.utils import timezone

from websocket_gateway import metrics
from websocket_gateway.compiled_queries.statements import CompiledQuery, CompiledUpdate, Given
from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy, run_after_commit
from websocket_gateway.database_engines import has_one_writer
from websocket_gateway.models import Channel, ChannelMessage

BATCH = 500
"""Messages in one transaction."""
ABANDONED_AFTER = timedelta(seconds=2)
"""A message that has waited longer lost its publisher: the process that numbers it sends it too."""

_PUBLISHED_EVERY = timedelta(minutes=1)
_NO_MESSAGE = -1
"""A primary key that no row has."""


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
    return number_and_find(channel_name, _NO_MESSAGE)[0]


def number_and_find(channel_name: str, pk: int) -> tuple[list[Numbered], Numbered | None]:
    """`number_messages`, and the place of one message, also if another process has numbered it.

    The place is None if this message was deleted already.
    """
    using = router.db_for_write(ChannelMessage)
    numbered: list[Numbered] = []
    while True:
        batch = retry_when_busy(
            partial(_number_batch, channel_name, pk, using), model=ChannelMessage, using=using
        )
        if batch is None:
            insert_unless_exists(Channel(name=channel_name))
            continue
        new, earlier = batch
        numbered += new
        if new and metrics.recorder is not None:
            published = partial(metrics.count, "history.publishes", len(new))
            run_after_commit(published, model=ChannelMessage, using=using)
        if len(new) < BATCH:
            return numbered, next((message for message in numbered if message.pk == pk), earlier)


def waiting(channel_name: str | models.Expression | models.F) -> models.QuerySet[ChannelMessage]:
    """The messages of a channel that have no offset yet."""
    return ChannelMessage.objects.filter(channel_name=channel_name, offset__isnull=True)


def _number_batch(channel_name: str, pk: int, using: str) -> tuple[list[Numbered], Numbered | None] | None:
    """Number up to `BATCH` messages; the message `pk` beside them, if it had its offset before.

    None if the channel has no counter yet.
    """
    with transaction.atomic(using=using):
        rows = _lock_and_read(channel_name, pk, using)
        if rows is None:
            return None
        (*_, epoch, last_offset, published_on) = rows[0] if rows else ("", 0, None)
        earlier = [Numbered(row[0], row[1], epoch, row[2]) for row in rows if row[2] is not None]
        numbered = [
            Numbered(row[0], row[1], epoch, last_offset + place)
            for place, row in enumerate((row for row in rows if row[2] is None), 1)
        ]
        if numbered:
            _save_offsets(numbered, using)
            _save_counter(channel_name, numbered[-1].offset, published_on, using)
        else:
            transaction.set_rollback(True, using=using)  # cheaper than to commit a lock
    return numbered, earlier[0] if earlier else None


def _lock_and_read(channel_name: str, pk: int, using: str) -> list[tuple[Any, ...]] | None:
    """The messages to number, the message `pk` if it has an offset, and in each row the counter.

    Another publisher waits here until this transaction ends. What it has numbered is read after that.
    """
    if has_one_writer(connections[using]):
        # A transaction that began with a SELECT could not wait for another one.
        locked = _BEGIN_TO_WRITE.run(using, channel=channel_name)
        return _WAITING_WITH_COUNTER.rows(using, channel=channel_name, pk=pk) if locked else None
    counter = _LOCK.rows(using, channel=channel_name)
    if not counter:
        return None
    return [(*row, *counter[0]) for row in _WAITING.rows(using, channel=channel_name, pk=pk)]


def _save_counter(channel_name: str, last_offset: int, published_on: datetime | None, using: str) -> None:
    """Save it, and `published_on` at most once a minute: an update of an indexed column is expensive."""
    now = timezone.now()
    if published_on is None or now - published_on >= _PUBLISHED_EVERY:
        _COUNT_AND_DATE.run(using, channel=channel_name, last_offset=last_offset, published_on=now)
    else:
        _COUNT.run(using, channel=channel_name, last_offset=last_offset)


def _save_offsets(numbered: Sequence[Numbered], using: str) -> None:
    values: dict[str, int] = {}
    for number, message in enumerate(numbered):
        values |= {f"pk{number}": message.pk, f"offset{number}": message.offset}
    _saving(len(numbered)).run(using, **values)


def _counter() -> models.QuerySet[Channel]:
    return Channel.objects.filter(name=Given("channel", Channel, "name"))


def _waiting_and_one(**counter: models.Subquery) -> models.QuerySet[ChannelMessage, tuple[Any, ...]]:
    """The messages to number, and one that may have its offset."""
    parts = (
        waiting(Given("channel", ChannelMessage, "channel_name")),
        ChannelMessage.objects.filter(pk=Given("pk", ChannelMessage), offset__isnull=False),
    )
    to_number, one = (
        part.annotate(**counter).values_list("pk", "created_on", "offset", *counter) for part in parts
    )
    return to_number.union(one, all=True).order_by("pk")[: BATCH + 1]


_COUNTER = ("epoch", "last_offset", "published_on")
_BEGIN_TO_WRITE = CompiledUpdate(_counter, last_offset=F("last_offset"))
_LOCK = CompiledQuery(lambda: _counter().select_for_update().values_list(*_COUNTER))
_WAITING = CompiledQuery(_waiting_and_one)
_WAITING_WITH_COUNTER = CompiledQuery(
    lambda: _waiting_and_one(
        **{f"counter_{name}": models.Subquery(_counter().values(name)) for name in _COUNTER}
    )
)
_COUNT = CompiledUpdate(_counter, last_offset=Given("last_offset", Channel))
_COUNT_AND_DATE = CompiledUpdate(
    _counter, last_offset=Given("last_offset", Channel), published_on=Given("published_on", Channel)
)


@lru_cache(maxsize=16)
def _saving(number: int) -> CompiledUpdate:
    """The UPDATE that gives so many messages their offsets."""
    pks = [Given(f"pk{place}", ChannelMessage, "pk") for place in range(number)]
    offsets = [Given(f"offset{place}", ChannelMessage, "offset") for place in range(number)]
    if number == 1:
        return CompiledUpdate(lambda: ChannelMessage.objects.filter(pk=pks[0]), offset=offsets[0])
    case = models.Case(
        *(models.When(pk=pk, then=offset) for pk, offset in zip(pks, offsets, strict=True)),
        output_field=models.BigIntegerField(),
    )
    return CompiledUpdate(lambda: ChannelMessage.objects.filter(pk__in=cast(list[int], pks)), offset=case)
