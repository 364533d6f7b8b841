"""The list of deeds, done or counted."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.utils import timezone

from websocket_gateway.conf import get_settings
from websocket_gateway.purging import old_rows
from websocket_gateway.purging.report import Deed, Part, PurgeReport, Run
from websocket_gateway.purging.resuming import ResumeShards
from websocket_gateway.purging.sessions import EndOverdue, EndRevoked
from websocket_gateway.purging.verifying import VerifyOpen


def purge(
    *,
    only: Collection[Part] = (),
    verify: bool = False,
    retention_days: int | None = None,
    max_seconds: float | None = None,
) -> PurgeReport:
    """End what must be dead, delete what is old; safe beside another purge, and to kill at any point.

    `only` chooses parts (none: all). With `verify`, AWS is asked about the sessions that may be
    alive. `retention_days` is how long ended sessions and broadcasts are kept, else
    `SESSION_RETENTION_DAYS`. After `max_seconds` it stops between two batches. What AWS does not
    tell stands in the report's `problems`; only errors of the database and settings are raised.
    """
    deeds = _deeds(only, verify, retention_days)
    run = Run(max_seconds=max_seconds)
    for number, deed in enumerate(deeds):
        run.begin(deed, deeds_left=len(deeds) - number)
        deed.do(run)
    return PurgeReport(
        counts=dict(run.counts),
        complete=not run.cut_short,
        problems=tuple(run.problems),
        seconds=run.seconds,
    )


def count_purgeable(
    *, only: Collection[Part] = (), verify: bool = False, retention_days: int | None = None
) -> PurgeReport:
    """What `purge` would do now, by count. Changes nothing and asks AWS nothing."""
    run = Run()
    for deed in _deeds(only, verify, retention_days):
        run.counts[deed.name] += deed.count()
    return PurgeReport(counts=dict(run.counts), seconds=run.seconds)


def _deeds(only: Collection[Part], verify: bool, retention_days: int | None) -> list[Deed]:
    """What is to be done, that which ends connections first and that which asks AWS last."""
    now = timezone.now()
    kept = get_settings().session_retention_days if retention_days is None else retention_days
    retention = timedelta(days=kept)
    deeds: list[Deed] = [
        EndOverdue(now=now),
        EndRevoked(),
        old_rows.delete_ended_sessions(now=now, retention=retention),
        old_rows.delete_undated_sessions(now=now, retention=retention),
        old_rows.delete_spent_tokens(now=now),
        old_rows.DeleteFinishedLimits(now=now),
        old_rows.delete_handled_messages(now=now),
        old_rows.delete_finished_broadcasts(now=now, retention=retention),
        ResumeShards(),
    ]
    if verify:
        deeds.append(VerifyOpen(now=now))
    return [deed for deed in deeds if not only or deed.part in only]
