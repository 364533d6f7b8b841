"""Rows that are old enough to be deleted, in pages along an index.

Never a whole table in memory, never a long transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import router
from django.db.models import Model, Q, QuerySet

from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.models import (
    BroadcastRun,
    ConnectionRateLimit,
    HandledMessage,
    RefusalCount,
    WebSocketSession,
    WebSocketToken,
)
from websocket_gateway.purging.report import Part, Run
from websocket_gateway.receiving.limits import window_seconds_of

Row = tuple[Any, ...]
"""Primary key, the column that is paged along, then the columns that the caller has named."""

BATCH = 500
"""Rows in one statement: few enough for a short lock, and for the number of parameters of every database."""
HANDLED_MESSAGES_KEPT = timedelta(days=1)
"""A client does not repeat a message after a longer time."""
_OVERTAKEN = timedelta(minutes=1)
"""The row of a `$disconnect` must exist at least so long, for a `$connect` that arrives after it."""
_RUNS = 20
"""Broadcasts in one batch: each is deleted with its shards, which can be hundreds."""


def read_pages(
    query: QuerySet[Model], *, along: str, names: tuple[str, ...] = (), size: int = BATCH
) -> Iterator[list[Row]]:
    """Rows `(pk, along, *names)` in the order of `along`, an indexed column, in pages of `size`.

    A page is read after the caller has processed the page before, and begins after its last row. So a row
    that stays is read once, and rows that were deleted meanwhile are not scanned again.
    """
    query = query.using(router.db_for_write(query.model))
    page = query
    while True:
        ordered = page.order_by(along, "pk").values_list("pk", along, *names)[:size]
        rows: list[Row] = retry_when_busy(partial(list, ordered), model=query.model)
        if rows:
            yield rows
        if len(rows) < size:
            return
        pk, value = rows[-1][:2]
        behind = Q(**{f"{along}__gt": value}) | Q(**{along: value, "pk__gt": pk})
        # Implied by `behind`, and written again because it lets the database start within the index.
        page = query.filter(behind, **{f"{along}__gte": value})


def delete_rows(query: QuerySet[Model], *, along: str, run: Run, name: str, size: int = BATCH) -> None:
    """Delete the rows of `query` in batches; each statement applies the conditions of `query` again."""
    for rows in read_pages(query, along=along, size=size):
        if run.is_over():
            return
        run.counts[name] += delete_batch(query.filter(pk__in=[row[0] for row in rows]))


def delete_batch(batch: QuerySet[Model]) -> int:
    """Delete the rows of a batch with their dependent rows; returns the number without the dependent rows."""
    model: type[Model] = batch.model
    batch = batch.using(router.db_for_write(model))
    _total, by_model = retry_when_busy(batch.delete, model=model)
    return by_model.get(model._meta.label, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRows:
    """Delete the rows of a query, along an indexed column."""

    part: Part
    name: str
    query: QuerySet[Model]
    along: str
    size: int = BATCH

    def count(self) -> int:
        """The number of rows now."""
        return self.query.count()

    def do(self, run: Run) -> None:
        """Delete them."""
        delete_rows(self.query, along=self.along, run=run, name=self.name, size=self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFinishedLimits:
    """Delete rate limit counters whose window is over."""

    now: datetime
    part: Part = Part.LIMITS
    name: str = "limits_deleted"

    def count(self) -> int:
        """The number of rows now."""
        return sum(len(keys) for rows in self._pages() for keys, _latest in self._finished(rows))

    def do(self, run: Run) -> None:
        """Delete them."""
        for rows in self._pages():
            if run.is_over():
                return
            for keys, latest in self._finished(rows):
                # An attempt may have begun a new window meanwhile. Then the row is in use again, and stays.
                still = ConnectionRateLimit.objects.filter(pk__in=keys, window_start__lte=latest)
                run.counts[self.name] += delete_batch(still)

    def _pages(self) -> Iterator[list[Row]]:
        begun = ConnectionRateLimit.objects.filter(window_start__lt=self.now)
        return read_pages(begun, along="window_start", names=("key",))

    def _finished(self, rows: list[Row]) -> list[tuple[list[int], datetime]]:
        """Group the finished counters by the length of their window, each group with its latest start.

        Windows of one length are aligned, so a window begun since then starts later; a longer one need not.
        """
        by_length: dict[int, list[int]] = defaultdict(list)
        latest: dict[int, datetime] = {}
        for pk, begun, key in rows:
            length = window_seconds_of(key)
            if begun + timedelta(seconds=length) <= self.now:
                by_length[length].append(pk)
                latest[length] = begun
        return [(keys, latest[length]) for length, keys in by_length.items()]


def delete_ended_sessions(*, now: datetime, retention: timedelta) -> DeleteRows:
    """Delete sessions that ended longer ago than `retention`, with their subscriptions."""
    before = now - max(retention, _OVERTAKEN)
    ended = WebSocketSession.objects.filter(connected=False, disconnected_on__lt=before)
    return DeleteRows(part=Part.SESSIONS, name="sessions_deleted", query=ended, along="disconnected_on")


def delete_undated_sessions(*, now: datetime, retention: timedelta) -> DeleteRows:
    """Delete sessions marked as ended without a time; their age is counted from `$connect`."""
    before = now - max(retention, _OVERTAKEN)
    undated = WebSocketSession.objects.filter(
        connected=False, disconnected_on__isnull=True, created_on__lt=before
    )
    return DeleteRows(part=Part.SESSIONS, name="sessions_deleted", query=undated, along="created_on")


def delete_spent_tokens(*, now: datetime) -> DeleteRows:
    """Delete tokens that are used or expired: neither opens a connection."""
    spent = WebSocketToken.objects.spent(now)
    return DeleteRows(part=Part.TOKENS, name="tokens_deleted", query=spent, along="expires_on")


def delete_handled_messages(*, now: datetime) -> DeleteRows:
    """Delete marks of messages that were handled longer ago than a client repeats them."""
    old = HandledMessage.objects.filter(created_on__lt=now - HANDLED_MESSAGES_KEPT)
    return DeleteRows(part=Part.MESSAGES, name="messages_deleted", query=old, along="created_on")


def delete_finished_broadcasts(*, now: datetime, retention: timedelta) -> DeleteRows:
    """Delete broadcasts that finished or were cancelled longer ago than `retention`, with their shards."""
    ended = (BroadcastRun.State.FINISHED, BroadcastRun.State.CANCELLED)
    old = BroadcastRun.objects.filter(
        state__in=ended, finished_on__lt=now - retention, delivered__isnull=True
    )
    return DeleteRows(
        part=Part.BROADCASTS, name="broadcasts_deleted", query=old, along="created_on", size=_RUNS
    )


def delete_records(*, now: datetime, retention: timedelta) -> tuple[DeleteRows, DeleteRows]:
    """Delete records of broadcasts, and counts of refusals, that are older than `retention`."""
    records = BroadcastRun.objects.filter(delivered__isnull=False, created_on__lt=now - retention)
    refusals = RefusalCount.objects.filter(hour__lt=now - retention)
    return (
        DeleteRows(part=Part.BROADCASTS, name="records_deleted", query=records, along="created_on"),
        DeleteRows(part=Part.LIMITS, name="refusals_deleted", query=refusals, along="hour"),
    )
