"""What happened in the last hours, in one query: connects, disconnects, deliveries, failures, refusals."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db.models import CharField, Count, F, QuerySet, Sum, Value
from django.db.models.functions import Cast, Coalesce, Concat, TruncHour
from django.utils import timezone

from websocket_gateway.models import BroadcastRun, RefusalCount, WebSocketSession

if TYPE_CHECKING:
    from django.db.models import Model
    from django.db.models.expressions import Combinable

HOURS = 12
TOP_REASONS = 10
_REFUSED = "refused: "


class Hour(TypedDict):
    """The figures of one hour. Deliveries count for the hour in which their broadcast began."""

    hour: str
    connects: int
    disconnects: int
    delivered: int
    failed: int
    refusals: int


class Reason(TypedDict):
    """The refusals by one rule of the security log, in all hours together."""

    name: str
    count: int


def read_timeline() -> tuple[list[Hour], list[Reason]]:
    """Return the figures of each of the last hours, and the rules that refused most."""
    now = timezone.now()
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    found: Counter[tuple[datetime, str]] = Counter()
    rules: Counter[str] = Counter()
    for hour, kind, number in _rows(first, now):
        if kind.startswith(_REFUSED):
            rules[kind.removeprefix(_REFUSED)] += number or 0
            kind = "refusals"
        found[hour, kind] += number or 0
    hours: list[Hour] = [
        {
            "hour": hour.isoformat(),
            "connects": found[hour, "connects"],
            "disconnects": found[hour, "disconnects"],
            "delivered": found[hour, "delivered"],
            "failed": found[hour, "failed"],
            "refusals": found[hour, "refusals"],
        }
        for hour in (first + timedelta(hours=number) for number in range(HOURS))
    ]
    return hours, [{"name": name, "count": count} for name, count in rules.most_common(TOP_REASONS)]


def _rows(first: datetime, now: datetime) -> QuerySet[Model, tuple[datetime, str, int | None]]:
    sessions, runs = WebSocketSession.objects, BroadcastRun.objects.filter(created_on__gte=first)
    begun = sessions.filter(connected__in=(True, False), created_on__gte=first)
    ended = sessions.filter(connected=False, disconnected_on__gte=first)
    refused = RefusalCount.objects.filter(hour__gte=first)
    connects = _by_hour(begun, "created_on", now, Value("connects"), Count("pk"))
    return connects.union(
        _by_hour(ended, "disconnected_on", now, Value("disconnects"), Count("pk")),
        *(
            _by_hour(runs, "created_on", now, Value(name), _sum_of_broadcasts(name))
            for name in ("delivered", "failed")
        ),
        _by_hour(refused, "hour", now, Concat(Value(_REFUSED), F("rule")), Sum("number")),
        all=True,
    )


def _sum_of_broadcasts(name: str) -> Combinable:
    """The figure of each broadcast is in its shards, or in its own row."""
    from websocket_gateway.sending.summaries import over_shards

    return Sum(Coalesce(over_shards(Sum(name)), Coalesce(name, 0)))


def _by_hour(
    rows: QuerySet[Model], time: str, now: datetime, kind: Combinable, number: Combinable
) -> QuerySet[Model, tuple[datetime, str, int | None]]:
    # In the zone of `now`, which is UTC: databases without time zone tables know only UTC.
    hour = TruncHour(time, tzinfo=now.tzinfo)
    grouped = rows.order_by().annotate(at=hour, kind=Cast(kind, CharField(max_length=80)))
    counted: QuerySet[Model, tuple[datetime, str, int | None]] = grouped.values_list("at", "kind").annotate(
        total=number
    )
    return counted
