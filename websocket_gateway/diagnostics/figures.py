"""The gauges of the catalogue, read from the database along indexes, in at most eight queries.

Ages of what never happened have no value. A channel whose very first message was left without an
offset is not seen before a purge has numbered that message.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.db import models, router
from django.db.models import Count, F, Min, OuterRef, Subquery, Sum
from django.utils import timezone

from websocket_gateway.channels.numbering import waiting
from websocket_gateway.last_runs import PURGE, check_of, sync_of
from websocket_gateway.metrics.catalogue import METRICS, PREFIX, Metric
from websocket_gateway.models import (
    ApiGateway,
    BroadcastRun,
    BroadcastShard,
    Channel,
    ChannelMember,
    LastRun,
    WebSocketSession,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A value of a gauge; None for the age of what never happened."""

    metric: Metric
    value: float | None
    labels: dict[str, str] = field(default_factory=dict)


def read_figures(using: str | None = None) -> list[Figure]:
    """All gauges, from the database `using`, by default the one that is written to. Calls no AWS."""
    using = using or router.db_for_write(WebSocketSession)
    now = timezone.now()
    gateways = list(ApiGateway.objects.using(using).only("api_name", "uuid", "stage_name", "deployed_stage"))
    return [
        *_open_connections(gateways, using),
        _figure("history.oldest_unnumbered", _oldest_unnumbered(now, using)),
        *_broadcasts(using),
        _figure("members.present", ChannelMember.objects.using(using).filter(present=True).count()),
        *_runs(gateways, now, using),
    ]


def _figure(name: str, value: float | None, **labels: str) -> Figure:
    return Figure(METRICS[f"{PREFIX}.{name}"], value, labels)


def _open_connections(gateways: list[ApiGateway], using: str) -> Iterator[Figure]:
    """By gateway and stage. A session that does not know its stage is on the one that clients connect to."""
    rows = WebSocketSession.objects.using(using).filter(
        connected=True, api_gateway_id__in=[row.pk for row in gateways]
    )
    counted = rows.order_by().values_list("api_gateway_id", "stage_name").annotate(number=Count("pk"))
    counts = {(row.pk, row.live_stage): 0 for row in gateways}
    stages = {row.pk: row.live_stage for row in gateways}
    for pk, stage, number in counted:
        key = pk, stage or stages[pk]
        counts[key] = counts.get(key, 0) + number
    names = {row.pk: row.api_name for row in gateways}
    for (pk, stage), number in counts.items():
        yield _figure("connections.open", number, gateway=names[pk], stage=stage)


def _oldest_unnumbered(now: datetime, using: str) -> float:
    """Channel by channel, each along the index of its offsets: a search over all messages would read them."""
    oldest = waiting(OuterRef("name")).order_by("created_on").values("created_on")[:1]
    channels = Channel.objects.using(using).annotate(oldest=Subquery(oldest))
    found: datetime | None = channels.aggregate(found=Min("oldest"))["found"]
    return _age(found, now) or 0.0


def _broadcasts(using: str) -> Iterator[Figure]:
    running = BroadcastRun.objects.using(using).filter(state=BroadcastRun.State.RUNNING)
    runs = running.aggregate(number=Count("pk"), recipients=Sum("recipients"))
    reached: models.QuerySet[BroadcastShard] = BroadcastShard.objects.using(using).filter(
        run__state=BroadcastRun.State.RUNNING
    )
    done = (
        reached.aggregate(done=Sum(F("delivered") + F("gone") + F("failed")))["done"] if runs["number"] else 0
    )
    yield _figure("broadcasts.open", runs["number"])
    yield _figure("broadcasts.backlog", max(0, (runs["recipients"] or 0) - (done or 0)))


def _runs(gateways: list[ApiGateway], now: datetime, using: str) -> Iterator[Figure]:
    named = {PURGE, *map(check_of, gateways), *map(sync_of, gateways)}
    rows = LastRun.objects.using(using).filter(name__in=named)
    found = {
        name: (ended_on, number) for name, ended_on, number in rows.values_list("name", "ended_on", "found")
    }
    nothing = None, None
    for row in gateways:
        checked_on, differs = found.get(check_of(row), nothing)
        yield _figure("gateway.drift", differs, gateway=row.api_name)
        yield _figure("gateway.check.age", _age(checked_on, now), gateway=row.api_name)
        synced_on = found.get(sync_of(row), nothing)[0]
        yield _figure("gateway.sync.age", _age(synced_on, now), gateway=row.api_name)
    yield _figure("purge.age", _age(found.get(PURGE, nothing)[0], now))


def _age(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else max(0.0, round((now - moment).total_seconds(), 3))
