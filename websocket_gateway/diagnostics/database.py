"""Probes of the database: can it be queried, is it migrated, and does anything purge it?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as AnyDatabaseError
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from websocket_gateway.checks.messages import error, warning
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.views.routed import find_routed_views

_A_DAY = timedelta(days=1)


def probe_database() -> list[CheckMessage]:
    """Compare the tables with what this version needs. With a finding here, no row can be read."""
    try:
        missing = list(_unapplied())
    except (AnyDatabaseError, ImproperlyConfigured) as exc:
        return [error("E101", f"The database cannot be queried: {exc}".strip(), hint="Correct DATABASES.")]
    if not missing:
        return []
    return [error("E102", f"Not migrated: {', '.join(missing)}.", hint="Run `manage.py migrate`.")]


def probe_purging() -> list[CheckMessage]:
    """Look for ended sessions that a purge would have deleted a day ago."""
    days = get_settings().session_retention_days
    before = timezone.now() - timedelta(days=days) - _A_DAY
    if not WebSocketSession.objects.filter(connected=False, disconnected_on__lt=before).exists():
        return []
    return [
        warning(
            "W108",
            f"There are sessions that ended more than {days + 1} days ago: nothing purges them.",
            hint="Run `manage.py purge_connections` from cron; see management_docs/cron.md.",
        )
    ]


def probe_default_gateway() -> list[CheckMessage]:
    """Look for the gateway that `DEFAULT_GATEWAY` names."""
    name = get_settings().default_gateway
    if not name or ApiGateway.objects.filter(api_name=name).exists():
        return []
    names = ", ".join(repr(row.api_name) for row in ApiGateway.objects.all()[:5]) or "none yet"
    return [
        warning(
            "W115",
            f"DEFAULT_GATEWAY names {name!r}, and there is no gateway of that name.",
            hint=f"Correct the name; there is: {names}.",
        )
    ]


def probe_configured_gateways() -> list[CheckMessage]:
    """Look for the gateways that `GATEWAYS` configures: options of an unknown name have no effect."""
    known = set(ApiGateway.objects.values_list("api_name", flat=True))
    return [
        warning(
            "W120",
            f'WEBSOCKET_GATEWAY["GATEWAYS"] configures {name!r}, and there is no gateway of that name.',
            hint="Correct the name, or remove its options.",
        )
        for name, _ in get_settings().gateways
        if name not in known
    ]


def probe_pinned_views() -> list[CheckMessage]:
    """Look for the gateways that views are pinned to: only gateways that have a row are served."""
    pinned: dict[str, str] = {}
    for view in find_routed_views():
        if api_id := view.read("aws_api_gateway_id"):
            pinned.setdefault(api_id, str(view))
    known = set(ApiGateway.objects.filter(api_id__in=pinned).values_list("api_id", flat=True))
    return [
        warning(
            "W116",
            f"{view}.aws_api_gateway_id is {api_id!r}, and no gateway here has that API: every event is "
            "answered 403.",
            hint=f"Run `manage.py create_gateway NAME --adopt {shlex.quote(api_id)} --target URL`, "
            "or correct the view.",
        )
        for api_id, view in pinned.items()
        if api_id not in known
    ]


def _unapplied() -> Iterator[str]:
    connection = connections[router.db_for_write(WebSocketSession)]
    executor = MigrationExecutor(connection)
    targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "websocket_gateway"]
    for migration, _backwards in executor.migration_plan(targets):
        yield str(migration)
