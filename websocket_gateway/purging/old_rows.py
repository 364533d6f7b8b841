"""Rows that nobody needs any more."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from websocket_gateway.models import (
    BroadcastRun,
    ConnectionRateLimit,
    HandledMessage,
    WebSocketSession,
    WebSocketToken,
)
from websocket_gateway.purging.batches import delete_batch, delete_rows, read_pages
from websocket_gateway.purging.report import Part, Run
from websocket_gateway.receiving.limits import window_seconds_of

HANDLED_MESSAGES_KEPT = timedelta(days=1)
"""No client sends a message again after longer."""
_OVERTAKEN = timedelta(minutes=1)
"""So long the row of a `$disconnect` must be there for the `$connect` that it overtook."""
_RUNS = 20
"""Broadcasts in one batch: the shards of each, maybe hundreds, go along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRows:
    """Delete what a query finds, along an indexed column."""

    part: Part
    name: str
    query: QuerySet[Any]
    along: str
    size: int = 500

    def count(self) -> int:
        """How many there are now."""
        return self.query.count()

    def do(self, run: Run) -> None:
        """Delete them."""
        delete_rows(self.query, along=self.along, run=run, name=self.name, size=self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFinishedLimits:
    """Delete the counters whose window is over."""

    now: datetime
    part: Part = Part.LIMITS
    name: str = "limits_deleted"

    def count(self) -> int:
        """How many there are now."""
        return sum(len(keys) for rows in self._pages() for keys, _latest in self._finished(rows))

    def do(self, run: Run) -> None:
        """Delete them."""
        for rows in self._pages():
            if run.is_over():
                return
            for keys, latest in self._finished(rows):
                # An attempt may have begun a new window meanwhile; then the row counts again, and stays.
                still = ConnectionRateLimit.objects.filter(pk__in=keys, window_start__lte=latest)
                run.counts[self.name] += delete_batch(still)

    def _pages(self) -> Any:
        begun = ConnectionRateLimit.objects.filter(window_start__lt=self.now)
        return read_pages(begun, along="window_start", names=("key",))

    def _finished(self, rows: list[tuple[Any, ...]]) -> list[tuple[list[int], datetime]]:
        """The finished ones by the length of their window, with the latest beginning among them.

        Windows of one length are aligned, so one begun since is later than that; a longer one need not be.
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
    """Sessions that ended longer ago than `retention`, subscriptions included."""
    before = now - max(retention, _OVERTAKEN)
    ended = WebSocketSession.objects.filter(connected=False, disconnected_on__lt=before)
    return DeleteRows(part=Part.SESSIONS, name="sessions_deleted", query=ended, along="disconnected_on")


def delete_undated_sessions(*, now: datetime, retention: timedelta) -> DeleteRows:
    """Sessions that somebody else marked as ended without saying when; their age is from `$connect`."""
    before = now - max(retention, _OVERTAKEN)
    undated = WebSocketSession.objects.filter(
        connected=False, disconnected_on__isnull=True, created_on__lt=before
    )
    return DeleteRows(part=Part.SESSIONS, name="sessions_deleted", query=undated, along="created_on")


def delete_spent_tokens(*, now: datetime) -> DeleteRows:
    """Tokens that are used or expired: neither opens anything."""
    spent = WebSocketToken.objects.filter(Q(expires_on__lte=now) | Q(used_on__isnull=False))
    return DeleteRows(part=Part.TOKENS, name="tokens_deleted", query=spent, along="expires_on")


def delete_handled_messages(*, now: datetime) -> DeleteRows:
    """Marks of messages that were handled longer ago than any client repeats them."""
    old = HandledMessage.objects.filter(created_on__lt=now - HANDLED_MESSAGES_KEPT)
    return DeleteRows(part=Part.MESSAGES, name="messages_deleted", query=old, along="created_on")


def delete_finished_broadcasts(*, now: datetime, retention: timedelta) -> DeleteRows:
    """Broadcasts that finished, or were cancelled, longer ago than `retention`, shards included."""
    ended = (BroadcastRun.State.FINISHED, BroadcastRun.State.CANCELLED)
    old = BroadcastRun.objects.filter(state__in=ended, finished_on__lt=now - retention)
    return DeleteRows(
        part=Part.BROADCASTS, name="broadcasts_deleted", query=old, along="created_on", size=_RUNS
    )
