"""The worker of a broadcast: a task for up to 60 seconds, or this process until it is finished."""

from __future__ import annotations

import time

from websocket_gateway.exceptions import LeaseLostError
from websocket_gateway.leases import LEASE_SECONDS
from websocket_gateway.models import BroadcastRun
from websocket_gateway.sending import shards
from websocket_gateway.sending.delivery import OnProgress
from websocket_gateway.sending.finishing import finish_run_if_done
from websocket_gateway.sending.shards import again
from websocket_gateway.sending.summaries import RunSummary, summarize

_IDLE_SECONDS = 1.0
# A worker that finds every open shard held waits this time for the lease of a worker that died.
_PATIENCE_SECONDS = LEASE_SECONDS + 2


def work_once(
    run_id: int,
    *,
    on_page: shards.OnPage | None = None,
    patience: float = _PATIENCE_SECONDS,
) -> bool:
    """Send for up to 60 seconds to free shards: of this broadcast, then of others whose worker died.

    If every open shard is held, waits `patience` seconds for an expired lease. Returns whether this
    broadcast has a free shard left, so that another worker is needed.
    """
    until = time.monotonic() + shards.PAGES_SECONDS
    give_up = time.monotonic() + patience
    while time.monotonic() < until or time.monotonic() < give_up:
        shard = shards.take_shard(run_id)
        if shard is not None:
            try:
                shards.send_shard(shard, until=until, on_page=on_page)
            except LeaseLostError:
                continue
            if time.monotonic() >= until:
                break
            give_up = time.monotonic() + patience
        elif not again(shards.open_shards().filter(run_id=run_id).exists):
            again(lambda: finish_run_if_done(run_id))
            return False
        elif time.monotonic() >= give_up:
            return False
        else:
            time.sleep(min(_IDLE_SECONDS, patience) or _IDLE_SECONDS)
    return again(shards.free_shards().filter(run_id=run_id).exists)


def work_until_finished(
    run_id: int,
    *,
    on_progress: OnProgress | None = None,
) -> RunSummary:
    """Work on a broadcast in this process, along with other workers, until it is finished or cancelled."""

    def report() -> None:
        if on_progress:
            on_progress(again(lambda: summarize(run_id)).report)

    while (summary := again(lambda: summarize(run_id))).run.state == BroadcastRun.State.RUNNING:
        report()
        work_once(run_id, on_page=report, patience=_IDLE_SECONDS)
    report()
    return summary
