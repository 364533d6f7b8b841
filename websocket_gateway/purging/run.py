"""The list of operations, executed or counted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from websocket_gateway import metrics
from websocket_gateway.conf import get_settings
from websocket_gateway.django_sessions import SessionEngineError
from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError
from websocket_gateway.last_runs import PURGE, note_run
from websocket_gateway.purging import histories, old_rows
from websocket_gateway.purging.cursors import DeleteCursors
from websocket_gateway.purging.report import Operation, Part, PurgeReport, Run
from websocket_gateway.purging.sessions import EndLoggedOut, EndOverdue, EndRevoked
from websocket_gateway.purging.verifying import VerifyOpen
from websocket_gateway.sending import runs


def purge(
    *,
    only: Collection[Part] = (),
    verify: bool = False,
    retention_days: int | None = None,
    max_seconds: float | None = None,
    new_epochs: bool = False,
) -> PurgeReport:
    """End dead connections and delete old rows; safe beside another purge, and to kill at any point.

    `only` selects parts (empty: all). With `verify`, AWS is asked about the sessions that may be alive.
    `new_epochs` is for a database that was restored: clients are told that their positions in channels do not
    count any more. Ended sessions and broadcasts are kept for `retention_days`, by default
    `SESSION_RETENTION_DAYS`; records of broadcasts for `ACTIVITY_RETENTION_DAYS`. After `max_seconds` it
    stops between two batches. Failures of AWS are listed in the report's `problems`; only errors of the
    database and the settings are raised.
    """
    operations = _operations(only, verify, retention_days, new_epochs)
    run = Run(max_seconds=max_seconds)
    for number, operation in enumerate(operations):
        run.begin(operation, operations_left=len(operations) - number)
        operation.do(run)
    metrics.record("purge.duration", run.seconds, result="cut_short" if run.cut_short else "complete")
    if not only and not run.cut_short:
        note_run(PURGE)
    return PurgeReport(
        counts=dict(run.counts),
        complete=not run.cut_short,
        problems=tuple(run.problems),
        seconds=run.seconds,
    )


def count_purgeable(
    *,
    only: Collection[Part] = (),
    verify: bool = False,
    retention_days: int | None = None,
    new_epochs: bool = False,
) -> PurgeReport:
    """Count what `purge` would do now. Changes nothing and does not call AWS."""
    run = Run()
    for operation in _operations(only, verify, retention_days, new_epochs):
        try:
            run.counts[operation.name] += operation.count()
        except SessionEngineError as exc:
            run.problems.append(f"not counted: {operation.name}: {exc}")
    return PurgeReport(counts=dict(run.counts), problems=tuple(run.problems), seconds=run.seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeBroadcasts:
    """Enqueue tasks for broadcasts that no worker continues. Does nothing without a task queue."""

    part: Part = Part.BROADCASTS
    name: str = "shards_resumed"

    def count(self) -> int:
        """The number of tasks that would be enqueued now."""
        return sum(runs.count_missing_tasks().values())

    def do(self, run: Run) -> None:
        """Enqueue them."""
        try:
            run.counts[self.name] += runs.resume_expired_shards()
        except (WebSocketGatewayError, ConfigurationError) as exc:
            run.problems.append(f"broadcasts were not resumed: {exc}")


def _operations(
    only: Collection[Part], verify: bool, retention_days: int | None, new_epochs: bool
) -> list[Operation]:
    """The selected operations: first those that end connections, last the one that calls AWS."""
    now = timezone.now()
    kept = get_settings().session_retention_days if retention_days is None else retention_days
    retention = timedelta(days=kept)
    activity = timedelta(days=get_settings().activity_retention_days)
    operations: list[Operation] = [
        EndOverdue(now=now),
        EndRevoked(),
        EndLoggedOut(),
        old_rows.delete_ended_sessions(now=now, retention=retention),
        old_rows.delete_undated_sessions(now=now, retention=retention),
        old_rows.delete_spent_tokens(now=now),
        old_rows.DeleteFinishedLimits(now=now),
        old_rows.delete_handled_messages(now=now),
        old_rows.delete_finished_broadcasts(now=now, retention=retention),
        *old_rows.delete_records(now=now, retention=activity),
        ResumeBroadcasts(),
        histories.delete_absent_members(now=now, retention=retention),
        histories.SendAbandoned(now=now),
        histories.DeleteUnreadable(now=now),
        histories.delete_idle_channels(now=now),
        DeleteCursors(now=now),
    ]
    if new_epochs:
        operations.append(histories.BeginEpochs())
    if verify:
        operations.append(VerifyOpen(now=now))
    return [operation for operation in operations if not only or operation.part in only]
