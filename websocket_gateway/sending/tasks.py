"""The task of a broadcast, for the project's task queue."""

from __future__ import annotations

from websocket_gateway.sending.runs import WORK_ON_BROADCAST
from websocket_gateway.sending.worker import work_once
from websocket_gateway.task_queue import define, enqueue


@define
def work_on_broadcast(run_id: int) -> None:
    """Work on a broadcast for up to 60 seconds; enqueue another task while a shard is free."""
    if work_once(run_id):
        enqueue(WORK_ON_BROADCAST, run_id)
