"""Who gets it: sessions in primary-key order, a page at a time, each once.

Pages are cut by key (`pk > last`), never by OFFSET, and never held all at once. Where an
audience has several sources (a channel: those whose primary channel it is, and those who
subscribed), each is read along its own index and the streams are merged by primary key:
one query with OR or EXISTS would leave the index.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, Protocol

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import QuerySet

from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.models import ApiGateway, ChannelSubscription, WebSocketSession

PAGE_SIZE = 1_000
# Primary keys in one IN list; some databases take no more parameters than this.
_IN_LIST = 500


class Row(NamedTuple):
    """What sending needs of a session."""

    pk: int
    connection_id: str
    gateway_id: int
    connected_on: datetime


class Stream(Protocol):
    """A source of connected sessions, in primary-key order."""

    def rows(self) -> Iterator[Row]:
        """The sessions, read page by page."""
        ...

    def count(self) -> int:
        """How many they are now."""
        ...


@dataclass(frozen=True, slots=True)
class QueryStream:
    """A query that can be cut by key; `prefix` is the path from its model to the session."""

    query: QuerySet[Any]
    key: str = "pk"
    prefix: str = ""

    def rows(self) -> Iterator[Row]:
        """See `Stream.rows`."""
        names = [f"{self.prefix}{name}" for name in ("connection_id", "api_gateway_id", "created_on")]
        query = self.query.order_by(self.key).values_list(self.key, *names)
        last: int | None = None
        while True:
            page = query if last is None else query.filter(**{f"{self.key}__gt": last})
            count = 0
            for values in page[:PAGE_SIZE]:
                count += 1
                # A join over a to-many relation repeats a session, always right behind itself.
                if values[0] != last:
                    yield Row(*values)
                last = values[0]
            if count < PAGE_SIZE:
                return

    def count(self) -> int:
        """See `Stream.count`."""
        return self.query.count()


@dataclass(frozen=True, slots=True)
class FixedStream:
    """A query that cannot be cut by key without changing what it means, such as a slice.

    Its primary keys, 8 bytes each, are read at once; the sessions themselves page by page.
    """

    query: QuerySet[WebSocketSession]

    def rows(self) -> Iterator[Row]:
        """See `Stream.rows`."""
        keys = self._keys()
        sessions = WebSocketSession.objects.using(self.query.db).filter(connected=True).order_by("pk")
        names = ("pk", "connection_id", "api_gateway_id", "created_on")
        for start in range(0, len(keys), _IN_LIST):
            for values in sessions.filter(pk__in=keys[start : start + _IN_LIST]).values_list(*names):
                yield Row(*values)

    def count(self) -> int:
        """See `Stream.count`; sessions that ended are counted too."""
        return len(self._keys())

    def _keys(self) -> array[int]:
        found = array("q", self.query.values_list("pk", flat=True).iterator(chunk_size=PAGE_SIZE))
        return array("q", sorted(set(found)))


@dataclass(frozen=True, slots=True)
class Audience:
    """The connected sessions of one or more streams."""

    streams: tuple[Stream, ...]

    def pages(self) -> Iterator[list[Row]]:
        """The sessions in primary-key order, each once, up to 1,000 at a time."""
        rows = self._rows()
        while page := list(islice(rows, PAGE_SIZE)):
            yield page

    def count(self) -> int:
        """How many there are at most; someone who is in a channel in two ways is counted twice."""
        return sum(stream.count() for stream in self.streams)

    def _rows(self) -> Iterator[Row]:
        last: int | None = None
        for row in heapq.merge(*(stream.rows() for stream in self.streams), key=lambda row: row.pk):
            if row.pk != last:
                yield row
            last = row.pk


def of_query(to: QuerySet[WebSocketSession] | WebSocketSession) -> Audience:
    """The connected ones among the sessions of a query, or one session.

    Slices, unions, `distinct(*fields)` and queries with window functions mean exactly the
    sessions they give at this moment. Raises `TypeError` for anything else than sessions.
    """
    if isinstance(to, WebSocketSession):
        return Audience((QueryStream(_sessions().filter(pk=to.pk)),))
    if not isinstance(to, QuerySet) or not issubclass(to.model, WebSocketSession):
        raise TypeError(f"Send to a QuerySet of WebSocketSession or to one session, not to {to!r}.")
    whole_channel = getattr(to, "whole_channel", None)  # other managers' querysets know no channels
    if whole_channel is not None:
        return of_channel(whole_channel)
    stream = FixedStream(to) if _is_fixed(to) else QueryStream(to.filter(connected=True))
    return Audience((stream,))


def of_channel(channel_name: str) -> Audience:
    """The connected sessions of a channel, primary or subscribed."""
    subscriptions = ChannelSubscription.objects.filter(channel_name=channel_name, session__connected=True)
    return Audience(
        (
            QueryStream(_sessions().filter(channel_name=channel_name)),
            QueryStream(subscriptions, key="session_id", prefix="session__"),
        )
    )


def of_user(user: AbstractBaseUser) -> Audience:
    """The connected sessions of a user."""
    return Audience((QueryStream(_sessions().filter(user_id=user.pk)),))


def of_everyone() -> Audience:
    """All connected sessions, gateway by gateway, because that is how they are indexed."""
    gateways = ApiGateway.objects.order_by("pk").values_list("pk", flat=True)
    return Audience(tuple(QueryStream(_sessions().filter(api_gateway_id=pk)) for pk in gateways))


def find_user(name: str) -> AbstractBaseUser:
    """The user of that name; raises `WebSocketGatewayError` where there is none."""
    model = get_user_model()
    try:
        user: AbstractBaseUser = model._default_manager.get(**{model.USERNAME_FIELD: name})
    except model.DoesNotExist as exc:
        raise WebSocketGatewayError(f"No user is called {name!r}.") from exc
    return user


def _sessions() -> QuerySet[WebSocketSession]:
    connected: QuerySet[WebSocketSession] = WebSocketSession.objects.filter(connected=True)
    return connected


def _is_fixed(query: QuerySet[Any]) -> bool:
    inner = query.query
    return bool(
        inner.is_sliced
        or inner.combinator
        or inner.distinct_fields
        or any(getattr(item, "contains_over_clause", False) for item in inner.annotations.values())
    )
