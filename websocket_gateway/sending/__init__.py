"""Send a message to a QuerySet of sessions, a channel, a user, or everyone; at once or by a task queue."""

from __future__ import annotations

from websocket_gateway.sending.broadcasting import (
    BroadcastArguments,
    SendArguments,
    abroadcast,
    asend,
    broadcast,
    send,
)
from websocket_gateway.sending.delivery import SendOptions
from websocket_gateway.sending.reports import DeliveryInterruptedError, DeliveryReport, Failure
from websocket_gateway.sending.runs import (
    cancel_run,
    count_missing_tasks,
    create_run,
    enqueue_run,
    resume_expired_shards,
    resume_run,
)
from websocket_gateway.sending.summaries import RunSummary, recent_runs, summarize
from websocket_gateway.sending.worker import work_until_finished

__all__ = [
    "BroadcastArguments",
    "DeliveryInterruptedError",
    "DeliveryReport",
    "Failure",
    "RunSummary",
    "SendArguments",
    "SendOptions",
    "abroadcast",
    "asend",
    "broadcast",
    "cancel_run",
    "count_missing_tasks",
    "create_run",
    "enqueue_run",
    "recent_runs",
    "resume_expired_shards",
    "resume_run",
    "send",
    "summarize",
    "work_until_finished",
]
