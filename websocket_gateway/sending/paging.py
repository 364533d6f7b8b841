"""Connected sessions in primary-key order, page by page, each once.

Pages are cut by key (`pk > last`), never by OFFSET, and never all in memory at once. If an audience
has several sources (a channel: the sessions with it as their primary channel, and those that
subscribed), each is read along its own index and the streams are merged by primary key.
One query with OR or EXISTS would not use an index.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Protocol, runtime_checkable

from django.db.models import Model, QuerySet

from websocket_gateway.concurrency import reconnect_when_away
from websocket_gateway.connections.sessions import ROW_FIELDS, Row
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending.queries import CONNECTED, IN_LIST, connected_sessions, read_again, read_keys

PAGE_SIZE = 1_000


class Stream(Protocol):
    """A source of connected sessions, in primary-key order."""

    def rows(self) -> Iterator[Row]:
        """The sessions, read page by page."""
        ...

    def count(self) -> int:
        """The number of sessions now."""
        ...

    def on(self, using: str) -> Stream:
        """The same sessions, read from this database."""
        ...

    def after(self, key: int) -> Stream:
        """The sessions with a primary key above `key`; raises `TypeError` where they have another order."""
        ...


@runtime_checkable
class CutStream(Stream, Protocol):
    """A stream that can be cut by key."""

    def count_up_to(self, number: int) -> int:
        """`count`, but the database stops at this number."""

    def between(self, after: int, last: int) -> Stream:
        """The sessions with a primary key above `after` and up to `last`."""

    def ends(self) -> tuple[int, int] | None:
        """The first and the last primary key, both read from an index; None if there is no session."""


@dataclass(frozen=True, slots=True)
class QueryStream:
    """A query that can be cut by key; `prefix` is the path from its model to the session."""

    query: QuerySet[Model]
    key: str = "pk"
    prefix: str = ""

    def rows(self) -> Iterator[Row]:
        """See `Stream.rows`."""
        last: int | None = None
        while True:
            found = read_again(self.page(last))
            for values in found:
                # A join over a to-many relation repeats a session, always directly after itself.
                if values[0] != last:
                    yield Row(*values)
                last = values[0]
            if len(found) < PAGE_SIZE:
                return

    def page(self, after: object = None) -> QuerySet[Model, tuple[Any, ...]]:
        """The first page, or the one after a key: the columns of `Row`."""
        query = self.query if after is None else self.query.filter(**{f"{self.key}__gt": after})
        names = (f"{self.prefix}{name}" for name in ROW_FIELDS[1:])
        return query.order_by(self.key).values_list(self.key, *names)[:PAGE_SIZE]

    def count(self) -> int:
        """See `Stream.count`."""
        return self.query.count()

    def count_up_to(self, number: int) -> int:
        """See `CutStream.count_up_to`."""
        return self.query.order_by()[:number].count()

    def on(self, using: str) -> QueryStream:
        """See `Stream.on`."""
        return replace(self, query=self.query.using(using))

    def after(self, key: int) -> QueryStream:
        """See `Stream.after`."""
        return replace(self, query=self.query.filter(**{f"{self.key}__gt": key}))

    def between(self, after: int, last: int) -> QueryStream:
        """See `CutStream.between`."""
        bounds = {f"{self.key}__gt": after, f"{self.key}__lte": last}
        return replace(self, query=self.query.filter(**bounds))

    def without(self, keys: Collection[int]) -> QueryStream:
        """The sessions but those with these primary keys."""
        return replace(self, query=self.query.exclude(**{f"{self.key}__in": keys}))

    def ends(self) -> tuple[int, int] | None:
        """See `CutStream.ends`."""
        keys = self.query.order_by(self.key).values_list(self.key, flat=True)
        first, last = keys.first(), keys.last()
        return None if first is None or last is None else (first, last)


@dataclass(frozen=True, slots=True)
class ListStream:
    """Connections whose ids are known, in the order of the list."""

    connection_ids: tuple[str, ...]
    using: str | None = None

    def rows(self) -> Iterator[Row]:
        """See `Stream.rows`."""
        for query in self._queries():
            for values in read_again(query.values_list(*ROW_FIELDS)):
                yield Row(*values)

    def count(self) -> int:
        """See `Stream.count`."""
        return sum(query.count() for query in self._queries())

    def on(self, using: str) -> ListStream:
        """See `Stream.on`."""
        return replace(self, using=using)

    def after(self, key: int) -> ListStream:
        """See `Stream.after`."""
        raise TypeError("resume_after cannot be used with connection_ids: their order is that of the list.")

    def _queries(self) -> Iterator[QuerySet[WebSocketSession]]:
        sessions = connected_sessions()
        if self.using is not None:
            sessions = sessions.using(self.using)
        for start in range(0, len(self.connection_ids), IN_LIST):
            yield sessions.filter(connection_id__in=self.connection_ids[start : start + IN_LIST])


@dataclass(frozen=True, slots=True)
class FixedStream:
    """A query that cannot be cut by key without changing its meaning; see `queries.is_fixed`.

    Its primary keys, 8 bytes each, are read at once, the sessions page by page.
    """

    query: QuerySet[WebSocketSession]
    using: str | None = None
    above: int = 0
    """Primary keys up to this one are left out."""

    def rows(self) -> Iterator[Row]:
        """See `Stream.rows`."""
        keys = self._keys()
        sessions = (
            WebSocketSession.objects.using(self.using or self.query.db).filter(**CONNECTED).order_by("pk")
        )
        for start in range(0, len(keys), IN_LIST):
            page = sessions.filter(pk__in=keys[start : start + IN_LIST])
            for values in read_again(page.values_list(*ROW_FIELDS)):
                yield Row(*values)

    def count(self) -> int:
        """See `Stream.count`; includes sessions that have ended."""
        return len(self._keys())

    def on(self, using: str) -> FixedStream:
        """See `Stream.on`; a query that was evaluated stays as it is."""
        seen = self.query._result_cache is not None
        return FixedStream(self.query if seen else self.query.using(using), using, self.above)

    def after(self, key: int) -> FixedStream:
        """See `Stream.after`."""
        return replace(self, above=key)

    def _keys(self) -> array[int]:
        read = partial(read_keys, self.query)
        keys = reconnect_when_away(lambda: set(array("q", read())), using=self.query.db)
        return array("q", sorted(key for key in keys if key > self.above))


@dataclass(frozen=True, slots=True)
class Audience:
    """The connected sessions of one or more streams."""

    streams: tuple[Stream, ...]
    database: str | None = None
    """Where the sessions are changed; None for the database that the router names."""

    def pages(self) -> Iterator[list[Row]]:
        """The sessions in primary-key order, each once, up to 1,000 at a time."""
        rows = self.rows()
        while page := list(islice(rows, PAGE_SIZE)):
            yield page

    def count(self) -> int:
        """The number of sessions at most; a session that is in a channel in two ways is counted twice."""
        return sum(stream.count() for stream in self.streams)

    def count_up_to(self, number: int) -> int:
        """`count`, but the database stops at this number in each stream, of an audience made of queries."""
        return sum(stream.count_up_to(number) for stream in self._queries())

    def on(self, using: str) -> Audience:
        """The same sessions, read from this database, whatever a router names later."""
        return Audience(tuple(stream.on(using) for stream in self.streams), using)

    def after(self, key: int) -> Audience:
        """The part with a primary key above `key`; raises `TypeError` for connections that are listed."""
        return replace(self, streams=tuple(stream.after(key) for stream in self.streams))

    def between(self, after: int, last: int) -> Audience:
        """The part with a primary key above `after` and up to `last`, of an audience made of queries."""
        return Audience(tuple(stream.between(after, last) for stream in self._queries()))

    def ends(self) -> tuple[int, int] | None:
        """The first and the last primary key; None if there is no session."""
        found = [ends for stream in self._queries() if (ends := stream.ends())]
        return (min(first for first, _ in found), max(last for _, last in found)) if found else None

    def rows(self) -> Iterator[Row]:
        """The sessions in primary-key order, each once."""
        last: int | None = None
        for row in heapq.merge(*(stream.rows() for stream in self.streams), key=lambda row: row.pk):
            if row.pk != last:
                yield row
            last = row.pk

    def _queries(self) -> Iterator[CutStream]:
        return (stream for stream in self.streams if isinstance(stream, CutStream))
