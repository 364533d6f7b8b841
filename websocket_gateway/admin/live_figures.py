"""The figures of the live overview, which the page reads again every few seconds.

Every figure is read along an index. With a million open sockets some queries take a part of a second. So the
figures are cached for ten times as long as they took: however many users look, this occupies at most a tenth
of one database connection.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict, TypeVar
from urllib.parse import quote

from django.core.cache import cache
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _

from websocket_gateway.admin.live_members import Present, read_members
from websocket_gateway.admin.timeline import Hour, Reason, read_timeline
from websocket_gateway.models import ApiGateway, BroadcastRun, ChannelSubscription, WebSocketSession
from websocket_gateway.receiving.authentication import current_place

if TYPE_CHECKING:
    from websocket_gateway.sending import RunSummary

Found = TypeVar("Found")

TOP = 10
_LEAST_SECONDS = 2.0
_CACHE_FACTOR = 10


class Broadcast(TypedDict):
    """One of the last broadcasts."""

    id: int
    url: str
    to: str
    by: str
    state: str
    started: str
    recipients: int
    delivered: int
    gone: int
    failed: int


class Figures(TypedDict):
    """The JSON that the page reads."""

    open: int
    gateways: list[dict[str, str | int]]
    channels: list[dict[str, str | int]]
    hours: list[Hour]
    refusals: list[Reason]
    broadcasts: list[Broadcast]
    members: list[Present]
    """Only for a user who may see the members of channels."""


def read_overview(*, fresh: bool = False) -> Figures:
    """Return the figures as JSON types; times are ISO 8601. `fresh` ignores the cache."""
    return _cached("overview", _read, fresh=fresh)


def count_open_by_gateway() -> dict[int, int]:
    """Return the number of open sessions by the primary key of their gateway; from the cache as the rest."""
    return _cached("by_gateway", lambda: {pk: count for _name, count, pk in _by_gateway()})


def _cached(name: str, read: Callable[[], Found], *, fresh: bool = False) -> Found:
    key = f"websocket_gateway.{name}.{quote('.'.join(current_place()))}"
    cached: Found | None = None if fresh else cache.get(key)
    if cached is not None:
        return cached
    started = time.monotonic()
    found = read()
    took = time.monotonic() - started
    cache.set(key, found, max(_LEAST_SECONDS, _CACHE_FACTOR * took))
    return found


def _read() -> Figures:
    from websocket_gateway.sending import recent_runs

    gateways, (hours, refusals) = _by_gateway(), read_timeline()
    return {
        "open": sum(count for _name, count, _pk in gateways),
        "gateways": [{"name": name, "count": count, "pk": pk} for name, count, pk in gateways[:TOP]],
        "channels": [{"name": name, "count": count} for name, count in _by_channel()],
        "hours": hours,
        "refusals": refusals,
        "broadcasts": [_broadcast(summary) for summary in recent_runs(limit=8)],
        "members": read_members(),
    }


def _by_gateway() -> list[tuple[str, int, int]]:
    """Return name, number of open sessions and primary key of each gateway, the fullest first."""
    open_now = WebSocketSession.objects.filter(api_gateway=OuterRef("pk"), connected=True).order_by()
    counted = Subquery(open_now.values("api_gateway").annotate(count=Count("pk")).values("count"))
    rows = ApiGateway.objects.order_by().values_list("api_name", Coalesce(counted, 0), "pk")
    return sorted(rows, key=lambda row: (-row[1], row[0]))


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


def _broadcast(summary: RunSummary) -> Broadcast:
    run, report = summary.run, summary.report
    return {
        "id": run.pk,
        "url": reverse("admin:websocket_gateway_broadcastrun_change", args=[run.pk]),
        "to": describe_recipients(run),
        "by": describe_starter(run),
        "state": str(run.get_state_display()),
        "started": run.created_on.isoformat(),
        "recipients": max(run.recipients, report.recipients),
        "delivered": report.delivered,
        "gone": report.gone,
        "failed": report.failed,
    }


def describe_recipients(run: BroadcastRun) -> str:
    """Return the audience of a broadcast in words; its user must be loaded."""
    kinds, label = BroadcastRun.AudienceType, str(run.get_audience_display())
    if run.audience == kinds.CHANNEL:
        return f"{label} \u201c{run.channel_name}\u201d"
    if run.audience == kinds.USER:
        return f"{label} \u201c{run.user.get_username()}\u201d" if run.user else str(_("a deleted user"))
    return label


def describe_starter(run: BroadcastRun) -> str:
    """Return where a broadcast was started, and the user who did; this user must be loaded."""
    names = [str(run.get_origin_display()), run.started_by.get_username() if run.started_by else ""]
    return ": ".join(filter(None, names)) or "\u2013"
