"""The connected sessions of a channel: those with it as their primary channel, and those that subscribed.

Every message to a channel reads both, so their statements are compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from django.db import router
from django.db.models import Model, QuerySet

from websocket_gateway.compiled_queries.statements import CompiledQuery, Given
from websocket_gateway.concurrency import reconnect_when_away
from websocket_gateway.connections.sessions import Row
from websocket_gateway.models import ChannelSubscription, WebSocketSession
from websocket_gateway.sending import paging
from websocket_gateway.sending.paging import QueryStream
from websocket_gateway.sending.queries import CONNECTED


class Membership:
    """One of the ways to be in a channel: how its sessions are found."""

    def __init__(self, find: Callable[[object], QuerySet[Model]], *, key: str, prefix: str = "") -> None:
        """`find` gets a channel; `key` and `prefix` are those of a `QueryStream`.

        It is not called before the first message: a project may import this from its models.
        """
        self._find, self._key, self._prefix = find, key, prefix
        self._compiled: dict[int, tuple[CompiledQuery, CompiledQuery]] = {}

    def pages(self, size: int) -> tuple[CompiledQuery, CompiledQuery]:
        """The first page of `size` rows, for a `channel`, and the one `after` a key."""
        if size not in self._compiled:
            model = self._find("").model
            channel, after = Given("channel", model, "channel_name"), Given("after", model, self._key)
            self._compiled[size] = (
                CompiledQuery(lambda: self._stream(channel).page()),
                CompiledQuery(lambda: self._stream(channel).page(after)),
            )
        return self._compiled[size]

    def stream(self, channel_name: str, using: str) -> QueryStream:
        """The same sessions as a stream that can be counted and cut."""
        return self._stream(channel_name).on(using)

    def _stream(self, channel: object) -> QueryStream:
        return QueryStream(self._find(channel), self._key, self._prefix)


PRIMARY = Membership(
    lambda channel: WebSocketSession.objects.filter(channel_name=channel, **CONNECTED), key="pk"
)
SUBSCRIBED = Membership(
    lambda channel: ChannelSubscription.objects.filter(channel_name=channel, session__connected=True),
    key="session_id",
    prefix="session__",
)


@dataclass(frozen=True, slots=True)
class ChannelStream:
    """The connected sessions of a channel that are in it in one of the ways; see `paging.QueryStream`."""

    channel_name: str
    membership: Membership
    using: str | None = None

    def rows(self) -> Iterator[Row]:
        """See `Stream.rows`."""
        using, size, last = self._database(), paging.PAGE_SIZE, None
        first, following = self.membership.pages(size)
        page = reconnect_when_away(lambda: first.rows(using, channel=self.channel_name), using=using)
        while page:
            for values in page:
                if values[0] != last:
                    yield Row._make(values)
                last = values[0]
            if len(page) < size:
                return
            rest = partial(following.rows, using, channel=self.channel_name, after=last)
            page = reconnect_when_away(rest, using=using)

    def count(self) -> int:
        """See `Stream.count`."""
        return self.as_query().count()

    def count_up_to(self, number: int) -> int:
        """See `CutStream.count_up_to`."""
        return self.as_query().count_up_to(number)

    def on(self, using: str) -> ChannelStream:
        """See `Stream.on`."""
        return replace(self, using=using)

    def after(self, key: int) -> QueryStream:
        """See `Stream.after`."""
        return self.as_query().after(key)

    def as_query(self) -> QueryStream:
        """The same sessions as a query."""
        return self.membership.stream(self.channel_name, self._database())

    def between(self, after: int, last: int) -> QueryStream:
        """See `CutStream.between`."""
        return self.as_query().between(after, last)

    def ends(self) -> tuple[int, int] | None:
        """See `CutStream.ends`."""
        return self.as_query().ends()

    def _database(self) -> str:
        # Not a replica, which might not know yet who has just connected or subscribed.
        return self.using or router.db_for_write(WebSocketSession)
