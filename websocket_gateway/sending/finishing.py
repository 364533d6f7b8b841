"""The end of a broadcast of the task queue: marked once, and announced by the process that marked it."""

from __future__ import annotations

from django.db import router
from django.utils import timezone

from websocket_gateway.concurrency import retry_when_busy, run_after_commit
from websocket_gateway.models import BroadcastRun, BroadcastShard
from websocket_gateway.sending.announcing import announce_finished, has_receivers, subject_of
from websocket_gateway.sending.summaries import summarize


def finish_run_if_done(run_id: int) -> bool:
    """Mark a broadcast as finished if all its shards are; True if this call did."""
    using = router.db_for_write(BroadcastRun)
    if BroadcastShard.objects.using(using).filter(run_id=run_id, finished_on=None).exists():
        return False
    return end_run(run_id, BroadcastRun.State.FINISHED)


def end_run(run_id: int, state: BroadcastRun.State) -> bool:
    """Mark a running broadcast as finished or cancelled; False if it was not running."""
    running = BroadcastRun.objects.filter(pk=run_id, state=BroadcastRun.State.RUNNING)
    ended = bool(
        retry_when_busy(lambda: running.update(state=state, finished_on=timezone.now()), model=BroadcastRun)
    )
    if ended:
        announce_end(run_id)
    return ended


def announce_end(run_id: int) -> None:
    """Tell the receivers that a broadcast has ended, after the commit. No query without a receiver."""

    def announce() -> None:
        summary = summarize(run_id)
        run = summary.run
        announce_finished(subject_of(run), summary.report, state=run.state, run=run)

    if has_receivers():
        run_after_commit(announce, model=BroadcastRun)
