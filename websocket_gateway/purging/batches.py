"""Pages along an index, and deleting by them: never a whole table in memory, never a long transaction."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from django.db import router
from django.db.models import Model, Q, QuerySet

from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.purging.report import Run

BATCH = 500
"""Rows in one statement: few enough that nobody waits for it, and that every database takes their keys."""


def read_pages(
    query: QuerySet[Any], *, along: str, names: tuple[str, ...] = (), size: int = BATCH
) -> Iterator[list[tuple[Any, ...]]]:
    """Rows `(pk, along, *names)` in the order of `along`, an indexed column, in pages of `size`.

    A page is read when the one before has been dealt with, and begins behind its last row: rows
    that stay are met once, and rows deleted meanwhile are not waded through again.
    """
    query = query.using(router.db_for_write(query.model))
    page = query
    while True:
        ordered = page.order_by(along, "pk").values_list("pk", along, *names)[:size]
        rows: list[tuple[Any, ...]] = retry_when_busy(partial(list, ordered), model=query.model)
        if rows:
            yield rows
        if len(rows) < size:
            return
        pk, value = rows[-1][:2]
        behind = Q(**{f"{along}__gt": value}) | Q(**{along: value, "pk__gt": pk})
        # Implied by the line above, and said again because it is what an index can begin at.
        page = query.filter(behind, **{f"{along}__gte": value})


def delete_rows(query: QuerySet[Any], *, along: str, run: Run, name: str, size: int = BATCH) -> None:
    """Delete what `query` finds, in batches, each judged again by the statement that deletes it."""
    for rows in read_pages(query, along=along, size=size):
        if run.is_over():
            return
        run.counts[name] += delete_batch(query.filter(pk__in=[row[0] for row in rows]))


def delete_batch(batch: QuerySet[Any]) -> int:
    """Delete the rows of one batch with what hangs on them; how many of the model's own there were."""
    model: type[Model] = batch.model
    batch = batch.using(router.db_for_write(model))
    _total, by_model = retry_when_busy(batch.delete, model=model)
    return by_model.get(model._meta.label, 0)
