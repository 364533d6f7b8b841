"""What a reader of channels has missed, in one answer of bounded size.

`HISTORY_MESSAGES` and `HISTORY_SECONDS` are applied here, when messages are read. Purging only deletes what
can no longer be read, so it never competes with a reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import router
from django.db.models import Q, QuerySet
from django.utils import timezone

from websocket_gateway import metrics
from websocket_gateway.channels.bodies import Key, Stored, recent_bodies
from websocket_gateway.channels.heads import Head
from websocket_gateway.channels.positions import Acknowledged, Latest, Position, Since
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.frames import MAX_MESSAGE_BYTES
from websocket_gateway.models import ChannelMessage
from websocket_gateway.tenants import place_in

PAGE_MESSAGES = 100
"""The most messages of one channel in an answer."""
_READ_AT_ONCE = 300
"""Rows that one query reads for all channels of an answer."""
_ENTRY_BYTES = 160
"""What an answer needs for a channel or a message beside its name and its body."""


@dataclass(slots=True)
class Page:
    """Consecutive messages of a channel that follow `offset`."""

    epoch: str
    offset: int
    messages: list[Stored] = field(default_factory=list)
    more: bool = False
    """Whether further messages can be read after these."""
    lost: str = ""
    """Why the page does not begin at the reader's position: `epoch`, `expired` or `ahead`."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One channel of an answer: where its page begins."""

    name: str
    head: Head
    cutoff: datetime
    start: int
    lost: str
    resumes: bool
    """Whether the reader has given a position, and must be told when its messages are gone."""

    def restarted(self, start: int) -> _Request:
        """The same, beginning at a later offset because what was between cannot be read any more."""
        lost = self.lost or ("expired" if self.resumes else "")
        return _Request(self.name, self.head, self.cutoff, start, lost, self.resumes)

    @property
    def end(self) -> int:
        """The last offset that the page may have."""
        return min(self.head.last_offset, self.start + PAGE_MESSAGES)


def read_pages(wanted: Mapping[str, Since], heads: Mapping[str, Head]) -> dict[str, Page]:
    """The pages of channels with a history, up to 100 messages each and `HISTORY_PAGE_BYTES` together.

    A message that is larger than that travels alone. Where a page holds less than there is, `more` is true.
    """
    now = timezone.now()
    requests = [_request(name, since, heads[name], now) for name, since in wanted.items()]
    found, complete = _load(requests)
    budget = _Budget(requests)
    pages: dict[str, Page] = {}
    for request in requests:
        rows = found[request.name]
        if (rows or complete) and _is_expired(request, rows):
            request = request.restarted(_first_kept(request))
            rows = _load([request])[0][request.name]
        messages = budget.take(rows)
        last = request.start + len(messages)
        pages[request.name] = Page(
            request.head.epoch, request.start, messages, last < request.head.last_offset, request.lost
        )
        if request.resumes:
            metrics.count("history.recoveries")
        if request.lost:
            metrics.count("history.losses", reason=request.lost)
    return pages


def read_before(name: str, head: Head, *, before: int | None, limit: int) -> tuple[list[Stored], bool]:
    """The last `limit` messages before an offset, ascending, and whether there are older ones."""
    kept = kept_messages(name, head, before=before)
    query = kept.order_by("-offset").values_list("offset", "created_on", "body")[: limit + 1]
    rows = retry_when_busy(lambda: [_stored(*row) for row in query], model=ChannelMessage)
    page = _Budget([]).take(_consecutive(rows[:limit]))
    return page[::-1], len(rows) > len(page)


def kept_messages(name: str, head: Head, *, before: int | None = None) -> QuerySet[ChannelMessage]:
    """The numbered messages that a client can still get: all of them, or those before an offset."""
    options = get_settings().channel_options(name)
    return _messages().filter(
        channel_name=name,
        offset__gte=options.first_kept(head.last_offset),
        offset__lte=head.last_offset if before is None else min(head.last_offset, before - 1),
        created_on__gte=options.oldest_kept(timezone.now()),
    )


def _request(name: str, since: Since, head: Head, now: datetime) -> _Request:
    options = get_settings().channel_options(name)
    cutoff = options.oldest_kept(now)
    earliest = options.first_kept(head.last_offset) - 1
    if since is None:
        return _Request(name, head, cutoff, head.last_offset, "", False)
    if isinstance(since, Latest):
        return _Request(name, head, cutoff, max(earliest, head.last_offset - since.number), "", False)
    if isinstance(since, Acknowledged):
        since = Position(head.epoch, head.acked)
    lost = _reason_lost(since, head, earliest)
    return _Request(name, head, cutoff, earliest if lost else since.offset, lost, True)


def _reason_lost(since: Position, head: Head, earliest: int) -> str:
    # An empty epoch: the channel had no message when the position was read. All of them are new.
    if since.epoch != head.epoch and (since.epoch or since.offset):
        return "epoch"
    if since.offset > head.last_offset:
        return "ahead"
    return "expired" if since.offset < earliest else ""


def _is_expired(request: _Request, rows: list[Stored]) -> bool:
    """Whether the message after the reader's position is deleted, or older than `HISTORY_SECONDS`."""
    if request.start >= request.head.last_offset:
        return False
    return not rows or rows[0].offset != request.start + 1 or rows[0].created_on < request.cutoff


def _first_kept(request: _Request) -> int:
    """The offset after which the first message comes that can still be read."""
    kept = _messages().filter(
        channel_name=request.name,
        offset__gt=request.start,
        offset__lte=request.head.last_offset,
        created_on__gte=request.cutoff,
    )
    offsets = kept.order_by("offset").values_list("offset", flat=True)
    first = retry_when_busy(offsets.first, model=ChannelMessage)
    return request.head.last_offset if first is None else first - 1


def _load(requests: list[_Request]) -> tuple[dict[str, list[Stored]], bool]:
    """The messages of each page, as far as they are consecutive, and whether none was left out."""
    found: dict[str, list[Stored]] = {}
    missing: list[_Request] = []
    for request in requests:
        number = request.end - request.start
        found[request.name] = recent_bodies().after(_key(request), request.start, number)
        if len(found[request.name]) < number:
            missing.append(request)
    if not missing:
        return found, True
    conditions = Q()
    for request in missing:
        conditions |= Q(channel_name=request.name, offset__gt=request.start, offset__lte=request.end)
    query = _messages().filter(conditions).order_by("channel_name", "offset")
    values = query.values_list("channel_name", "offset", "created_on", "body")[:_READ_AT_ONCE]
    rows = retry_when_busy(lambda: list(values), model=ChannelMessage)
    by_name: dict[str, list[Stored]] = {request.name: [] for request in missing}
    for name, offset, created_on, body in rows:
        by_name[name].append(_stored(offset, created_on, body))
    for request in missing:
        found[request.name] = list(_consecutive(by_name[request.name]))
        recent_bodies().add(_key(request), found[request.name])
    return found, len(rows) < _READ_AT_ONCE


def _consecutive(rows: Iterable[Stored]) -> Iterable[Stored]:
    """The rows before the first gap: a deleted message ends the page."""
    last: int | None = None
    for row in rows:
        if last is not None and abs(row.offset - last) != 1:
            return
        last = row.offset
        yield row


def _stored(offset: int | None, created_on: datetime, body: bytes | memoryview) -> Stored:
    """A row as it is kept; only numbered messages are read."""
    return Stored(offset or 0, created_on, bytes(body))


class _Budget:
    """The bytes that an answer may still hold."""

    def __init__(self, requests: list[_Request]) -> None:
        names = sum(len(request.name.encode()) + _ENTRY_BYTES for request in requests)
        self._largest = MAX_MESSAGE_BYTES - names - _ENTRY_BYTES
        self._limit = get_settings().history_page_bytes
        self._used = 0

    def take(self, rows: Iterable[Stored]) -> list[Stored]:
        """The first rows that fit."""
        taken: list[Stored] = []
        for row in rows:
            fits = self._used + len(row.body) <= self._limit
            if not fits and (self._used or len(row.body) > self._largest):
                break
            self._used += len(row.body) + (1 if fits else self._limit)
            taken.append(row)
        return taken


def _messages() -> QuerySet[ChannelMessage]:
    messages: QuerySet[ChannelMessage] = ChannelMessage.objects.using(router.db_for_write(ChannelMessage))
    return messages


def _key(request: _Request) -> Key:
    return place_in(router.db_for_write(ChannelMessage)), request.name, request.head.epoch
