"""Probes of the database: can it be asked, is it migrated, does anybody purge it?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import DatabaseError, connections, router
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from websocket_gateway.conf import get_settings
from websocket_gateway.diagnostics.findings import Answer, Finding, error, warning
from websocket_gateway.models import ApiGateway, WebSocketSession

_A_DAY = timedelta(days=1)


def probe_database() -> Answer:
    """Whether the tables are as this version wants them. With a finding here, no row can be read."""
    try:
        missing = list(_unapplied())
    except DatabaseError as exc:
        return Answer(
            findings=(
                error("E101", f"The database cannot be asked: {exc}".strip(), hint="Correct DATABASES."),
            )
        )
    if not missing:
        return Answer()
    return Answer(
        findings=(error("E102", f"Not migrated: {', '.join(missing)}.", hint="Run `manage.py migrate`."),)
    )


def probe_purging() -> Answer:
    """Whether ended sessions lie about that a purge would have deleted a day ago."""
    days = get_settings().session_retention_days
    before = timezone.now() - timedelta(days=days) - _A_DAY
    left = WebSocketSession.objects.filter(connected=False, disconnected_on__lt=before)
    return Answer(findings=tuple(_never_purged(days)) if left.exists() else ())


def probe_default_gateway() -> Answer:
    """Whether there is a gateway of the name that `DEFAULT_GATEWAY` says."""
    name = get_settings().default_gateway
    if not name or ApiGateway.objects.filter(api_name=name).exists():
        return Answer()
    names = ", ".join(repr(row.api_name) for row in ApiGateway.objects.all()[:5]) or "none yet"
    finding = warning(
        "W115",
        f"DEFAULT_GATEWAY names {name!r}, and there is no gateway of that name.",
        hint=f"Correct the name; there is: {names}.",
    )
    return Answer(findings=(finding,))


def _unapplied() -> Iterator[str]:
    connection = connections[router.db_for_write(WebSocketSession)]
    executor = MigrationExecutor(connection)
    targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] == "websocket_gateway"]
    for migration, _backwards in executor.migration_plan(targets):
        yield str(migration)


def _never_purged(days: int) -> Iterator[Finding]:
    yield warning(
        "W108",
        f"There are sessions that ended more than {days + 1} days ago: nothing purges them.",
        hint="Run `manage.py purge_connections` from cron; see management_docs/cron.md.",
    )
