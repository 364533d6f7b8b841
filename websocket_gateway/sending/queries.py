"""Which QuerySets of sessions a message can be sent to, and which of them are read as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from django.db import router
from django.db.models import Exists, Model, QuerySet
from django.db.models.expressions import Col
from django.db.models.functions import Random
from django.db.models.sql import Query

from websocket_gateway.concurrency import reconnect_when_away
from websocket_gateway.connections.sessions import ROW_FIELDS, Row
from websocket_gateway.models import WebSocketSession

T = TypeVar("T")

# Primary keys in one IN list; some databases do not accept more parameters.
IN_LIST = 500
# For SQLite: with a bare `connected` it uses no index and sorts the whole channel for every page.
CONNECTED = {"connected__in": (True,)}
_SESSIONS = "WebSocketSession.objects.filter(pk__in=[...])"


def refuse_unless_sessions(to: object) -> None:
    """Raise `TypeError` unless `to` is a QuerySet in which each row is one session."""
    if not isinstance(to, QuerySet) or not issubclass(to.model, WebSocketSession):
        raise TypeError(
            f"Send to a QuerySet of WebSocketSession or to one session, not to {to!r}. "
            f"For sessions, or primary keys, of another source write {_SESSIONS}."
        )
    query = to.query
    if any("pk" in part.annotations or "pk" in part.extra for part in _parts(query)):
        raise TypeError("This query calls another column `pk`. Give that column another name.")
    if query.combinator and not all(_returns_sessions(part) for part in _parts(query)):
        raise TypeError(
            f"The rows of this {query.combinator}() are values, not sessions. "
            f"Leave values() and values_list() out of {query.combinator}(), or write {_SESSIONS}."
        )
    if query.combinator or _selects_key(query, query.select):
        return
    if isinstance(query.group_by, tuple) and not _selects_key(query, query.group_by):
        raise TypeError(
            "This query groups sessions: its rows are groups, not sessions. "
            "Leave out the values() or values_list() before annotate()."
        )
    if query.distinct and not query.distinct_fields and not query.default_cols:
        raise TypeError(
            "This query asks for distinct values: one row may stand for several sessions. "
            f"Leave out distinct(), or values() and values_list(), or write {_SESSIONS}."
        )


def is_fixed(to: QuerySet[WebSocketSession]) -> bool:
    """Whether a query cannot be cut by key without changing its meaning."""
    query = to.query
    return bool(
        query.is_sliced
        or query.combinator
        or query.distinct_fields
        or query.select_for_update_skip_locked
        or query.where.contains_over_clause
        or any(getattr(item, "contains_over_clause", False) for item in query.annotations.values())
        or _may_differ(query.where)
    )


def bare(to: QuerySet[WebSocketSession]) -> QuerySet[WebSocketSession]:
    """The same sessions without an order, locks and additional columns.

    `reverse()` would reverse every order that is set later, and a column of `extra()` may have the
    name of one that is read.
    """
    found = to.order_by()
    found.query.standard_ordering = True
    found.query.select_for_update = False
    found.query.extra = {}
    found.query.set_extra_mask(())
    return found


def read_keys(to: QuerySet[WebSocketSession]) -> Iterable[int]:
    """The primary keys that a query gives as it is, possibly with repetitions.

    A query that was evaluated is not evaluated again: the program has seen these rows, and a
    random order would give others.
    """
    given = to._result_cache
    if given is not None and to.query.default_cols:
        return (session.pk for session in given)
    found = to.all()
    found._prefetch_related_lookups = ()  # type: ignore[attr-defined]
    query = found.query
    query.select_for_update = query.select_for_update_skip_locked
    # All columns decide which rows are equal.
    if query.combinator or (query.distinct and query.default_cols):
        return (session.pk for session in _iterate(found))
    query.set_extra_mask(())
    return _iterate(found.values_list("id", flat=True))


def _iterate(query: QuerySet[Model, T]) -> Iterator[T]:
    """As `iterator()`, without a cursor on the server, which a pooler in transaction mode would lose."""
    rows: Any = query._iterable_class
    return iter(rows(query, chunked_fetch=False, chunk_size=1_000))


def _parts(query: Query) -> Iterator[Query]:
    yield query
    for part in query.combined_queries:
        yield from _parts(part)


def _returns_sessions(query: Query) -> bool:
    model = query.model
    return query.default_cols and model is not None and issubclass(model, WebSocketSession)


def _selects_key(query: Query, columns: Iterable[object]) -> bool:
    key = query.get_meta().pk
    return any(
        isinstance(column, Col) and column.target == key and column.alias == query.base_table
        for column in columns
    )


def _may_differ(item: object) -> bool:
    """Whether a condition holds a part, at any depth, that each page would evaluate again.

    Such as a slice, the first row of each group or a random number. The rows that they give may differ.
    """
    if isinstance(item, Exists):  # whether there is a row does not depend on which rows a slice gives
        return any(map(_may_differ, _deciding_parts(item.query)))
    if isinstance(item, Query):
        return item.is_sliced or bool(item.distinct_fields) or any(map(_may_differ, _deciding_parts(item)))
    if isinstance(item, (list, tuple)):
        return any(map(_may_differ, item))
    if isinstance(item, Random):
        return True
    return any(map(_may_differ, getattr(item, "get_source_expressions", list)()))


def _deciding_parts(query: Query) -> Iterator[object]:
    """What decides which rows a subquery gives."""
    yield query.where
    yield from query.annotations.values()
    yield from query.combined_queries
    for table in query.alias_map.values():
        yield getattr(getattr(table, "filtered_relation", None), "resolved_condition", None)


def rows_of(keys: Iterable[int]) -> Iterator[Row]:
    """The connected sessions among those with these primary keys."""
    wanted = sorted(keys)
    for start in range(0, len(wanted), IN_LIST):
        query = connected_sessions().filter(pk__in=wanted[start : start + IN_LIST]).order_by("pk")
        for values in read_again(query.values_list(*ROW_FIELDS)):
            yield Row(*values)


def connected_sessions() -> QuerySet[WebSocketSession]:
    """The sessions whose socket is open, as far as is known, in the database that is written to."""
    current = WebSocketSession.objects.using(router.db_for_write(WebSocketSession))
    connected: QuerySet[WebSocketSession] = current.filter(**CONNECTED)
    return connected


def read_again(page: QuerySet[Model, T]) -> list[T]:
    """The rows of a page, read again where the database had gone away."""
    return reconnect_when_away(lambda: list(page.all()), using=page.db)
