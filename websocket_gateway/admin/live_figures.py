"""The figures of the live overview, which the page reads again every few seconds.

Every figure is read along an index. With a million open sockets some queries take a part of a second. So the
figures are cached for ten times as long as they took: however many users look, this occupies at most a tenth
of one database connection.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import quote

from django.core.cache import cache
from django.db.models import Count, QuerySet
from django.db.models.functions import TruncHour
from django.utils import timezone

from websocket_gateway.admin.live_members import Present, read_members
from websocket_gateway.models import ApiGateway, ChannelSubscription, WebSocketSession
from websocket_gateway.receiving.authentication import current_place

if TYPE_CHECKING:
    from websocket_gateway.sending import RunSummary

HOURS = 12
TOP = 10
_KEY = "websocket_gateway.overview"
_LEAST_SECONDS = 2.0
_CACHE_FACTOR = 10


class Hour(TypedDict):
    """The connects and disconnects of one hour."""

    hour: str
    connects: int
    disconnects: int


class Broadcast(TypedDict):
    """One of the last broadcasts."""

    id: int
    to: str
    state: str
    started: str
    delivered: int
    gone: int
    failed: int


class Figures(TypedDict):
    """The JSON that the page reads."""

    open: int
    gateways: list[dict[str, str | int]]
    channels: list[dict[str, str | int]]
    hours: list[Hour]
    broadcasts: list[Broadcast]
    members: list[Present]
    """Only for a user who may see the members of channels."""


def read_overview(*, fresh: bool = False) -> Figures:
    """Return the figures as JSON types; times are ISO 8601. `fresh` ignores the cache."""
    key = f"{_KEY}.{quote('.'.join(current_place()))}"
    cached: Figures | None = None if fresh else cache.get(key)
    if cached is not None:
        return cached
    from websocket_gateway.sending import recent_runs

    started = time.monotonic()
    gateways = _by_gateway()
    figures: Figures = {
        "open": sum(count for _name, count, _pk in gateways),
        "gateways": [{"name": name, "count": count, "pk": pk} for name, count, pk in gateways[:TOP]],
        "channels": [{"name": name, "count": count} for name, count in _by_channel()],
        "hours": _by_hour(),
        "broadcasts": [_broadcast(summary) for summary in recent_runs(limit=8)],
        "members": read_members(),
    }
    took = time.monotonic() - started
    cache.set(key, figures, max(_LEAST_SECONDS, _CACHE_FACTOR * took))
    return figures


def _by_gateway() -> list[tuple[str, int, int]]:
    names = dict(ApiGateway.objects.values_list("pk", "api_name"))
    counted = (
        WebSocketSession.objects.filter(api_gateway_id__in=names, connected=True)
        .values_list("api_gateway_id")
        .order_by()
        .annotate(count=Count("pk"))
    )
    counts = dict(counted)
    found = [(name, counts.get(pk, 0), pk) for pk, name in names.items()]
    return sorted(found, key=lambda row: (-row[1], row[0]))


def _by_channel() -> list[tuple[str, int]]:
    """Return the channels with the most open sockets; subscriptions count as well."""
    primary = WebSocketSession.objects.filter(connected=True).exclude(channel_name="")
    subscribed = ChannelSubscription.objects.filter(session__connected=True)
    counts: Counter[str] = Counter()
    for query in (primary, subscribed):
        rows = query.values_list("channel_name").order_by().annotate(count=Count("pk")).order_by("-count")
        for name, count in rows[: TOP * 10]:
            counts[name] += count
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))[:TOP]


def _by_hour() -> list[Hour]:
    now = timezone.now()
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    sessions = WebSocketSession.objects
    begun = sessions.filter(connected__in=(True, False), created_on__gte=first)
    ended = sessions.filter(connected=False, disconnected_on__gte=first)
    connects, disconnects = _counted(begun, "created_on", now), _counted(ended, "disconnected_on", now)
    return [
        {"hour": hour.isoformat(), "connects": connects[hour], "disconnects": disconnects[hour]}
        for hour in (first + timedelta(hours=number) for number in range(HOURS))
    ]


def _counted(query: QuerySet[WebSocketSession], name: str, now: datetime) -> Counter[datetime]:
    # In the zone of `now`, which is UTC: databases without time zone tables know only UTC.
    hours = query.annotate(hour=TruncHour(name, tzinfo=now.tzinfo)).values_list("hour").order_by()
    return Counter(dict(hours.annotate(count=Count("pk"))))


def _broadcast(summary: RunSummary) -> Broadcast:
    run, report = summary.run, summary.report
    to = run.channel_name or (str(run.user) if run.user else str(run.get_audience_display()))
    return {
        "id": run.pk,
        "to": to,
        "state": str(run.get_state_display()),
        "started": run.created_on.isoformat(),
        "delivered": report.delivered,
        "gone": report.gone,
        "failed": report.failed,
    }
