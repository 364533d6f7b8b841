"""Broadcasts as rows: saved, enqueued, resumed, cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import router, transaction
from django.db.models import Count
from django.utils import timezone

from websocket_gateway.channels.publishing import addressed
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import NotEnqueuedError, QueueUnavailableError, WebSocketGatewayError
from websocket_gateway.models import BroadcastRun, BroadcastShard
from websocket_gateway.models.fields import set_related
from websocket_gateway.sending import shards
from websocket_gateway.sending.audience import audience_of_run
from websocket_gateway.sending.finishing import announce_end, end_run, finish_run_if_done
from websocket_gateway.sending.records import current_starter
from websocket_gateway.sending.summaries import find_run
from websocket_gateway.task_queue import background_backend, enqueue, require_background_backend

RECIPIENTS_PER_SHARD = 10_000
MAX_SHARDS = 256
WORK_ON_BROADCAST = "websocket_gateway.sending.tasks.work_on_broadcast"
MAX_TASKS = 32
# A broadcast that no process works on after this time is not waiting in the queue: its tasks are lost.
_LOST_AFTER = timedelta(minutes=10)


def create_run(
    data: bytes,
    *,
    channel: str | None = None,
    user: AbstractBaseUser | None = None,
    max_per_second: float | None = None,
    started_by: AbstractBaseUser | None = None,
) -> BroadcastRun:
    """Save a broadcast to a channel, a user or (if neither is given) everyone, cut into shards.

    It is sent to the sessions that are connected now and still are when they are reached. `max_per_second`
    is the pace of all shards together: 0 means no limit, None takes `SEND_MAX_PER_SECOND`.

    A message to a channel with a history is published first, and numbered at once. Inside a transaction this
    locks the channel until the commit; `broadcast(..., enqueue=True)` numbers it after the commit.
    """
    if channel is not None:
        data = addressed(data, channel)
    return save_run(data, channel=channel, user=user, max_per_second=max_per_second, started_by=started_by)


def save_run(
    data: bytes,
    *,
    channel: str | None = None,
    user: AbstractBaseUser | None = None,
    max_per_second: float | None = None,
    started_by: AbstractBaseUser | None = None,
) -> BroadcastRun:
    """`create_run`, with the bytes that are sent as they are."""
    kinds = BroadcastRun.AudienceType
    kind = kinds.CHANNEL if channel is not None else kinds.USER if user is not None else kinds.EVERYONE
    starter = current_starter()
    run = BroadcastRun(
        message=data,
        audience=kind,
        origin=starter.origin,
        channel_name=channel or "",
        user_id=user.pk if user is not None else None,
        started_by_id=started_by.pk if started_by is not None else starter.user_id,
        max_per_second=get_settings().send_max_per_second if max_per_second is None else max_per_second,
    )
    if user is not None:
        set_related(run, "user", user)  # a replica might not have the row yet
    audience = audience_of_run(run)
    run.recipients = audience.count()
    ends = audience.ends() if run.recipients else None
    if ends is None:
        run.state, run.finished_on = BroadcastRun.State.FINISHED, timezone.now()
    with transaction.atomic(using=router.db_for_write(BroadcastRun)):
        run.save()
        if ends is not None:
            BroadcastShard.objects.bulk_create(_cut(run, *ends))
    if ends is None:
        announce_end(run.pk)
    return run


def enqueue_run(
    data: bytes,
    *,
    channel: str | None = None,
    user: AbstractBaseUser | None = None,
    max_per_second: float | None = None,
    started_by: AbstractBaseUser | None = None,
) -> BroadcastRun:
    """Save a broadcast like `create_run`; the task queue sends it once the transaction commits.

    Raises `ConfigurationError` if the project has no queue that works in the background, and
    `NotEnqueuedError` if the queue cannot be reached: the broadcast is saved then, and can be resumed.
    """
    require_background_backend()
    run = create_run(data, channel=channel, user=user, max_per_second=max_per_second, started_by=started_by)
    enqueue_tasks(run.pk)
    return run


def enqueue_tasks(run_id: int) -> int:
    """Enqueue a task for each free shard of a broadcast, up to 32, and return their number."""
    return _enqueue(run_id, _tasks_for(shards.free_shards().filter(run_id=run_id).count()))


def resume_run(run_id: int) -> int:
    """Enqueue tasks for the free shards of a broadcast, and return their number.

    Raises `WebSocketGatewayError` if there is no such broadcast or it was cancelled, `NotEnqueuedError` if
    the queue cannot be reached, and `ConfigurationError` if there is no queue.
    """
    run = find_run(run_id)
    if run.state == BroadcastRun.State.CANCELLED:
        raise WebSocketGatewayError(f"Broadcast {run_id} was cancelled; start a new one.")
    if run.state == BroadcastRun.State.FINISHED or finish_run_if_done(run_id):
        return 0
    require_background_backend()
    return enqueue_tasks(run_id)


def resume_expired_shards() -> int:
    """Enqueue the tasks that `count_missing_tasks` counts, and finish broadcasts whose shards are finished.

    For a scheduled job, such as `purge_connections`. Returns the number of tasks; 0 if there is no queue.
    """
    current = BroadcastRun.objects.using(router.db_for_write(BroadcastRun))
    running = current.filter(state=BroadcastRun.State.RUNNING)
    keys = list(running.order_by("pk").values_list("pk", flat=True))
    if not keys:
        return 0
    for pk in keys:
        finish_run_if_done(pk)
    return sum(_enqueue(pk, tasks) for pk, tasks in sorted(count_missing_tasks().items()))


def count_missing_tasks() -> dict[int, int]:
    """The number of tasks to enqueue for each broadcast that no worker continues, by the broadcast's number.

    Its worker died, or the queue lost its tasks. Changes nothing; empty if there is no queue.
    """
    if background_backend() is None:
        return {}
    working = set(shards.leased_shards().values_list("run_id", flat=True))
    lost_before = timezone.now() - _LOST_AFTER
    free = shards.free_shards().order_by().values_list("run_id", "run__created_on")
    return {
        run_id: _tasks_for(number)
        for run_id, created, number, expired in free.annotate(Count("pk"), Count("lease_expires_on"))
        if expired or (created < lost_before and run_id not in working)
    }


def cancel_run(run_id: int) -> bool:
    """Stop a broadcast after the pages that are being sent; False if it had ended already."""
    return end_run(find_run(run_id).pk, BroadcastRun.State.CANCELLED)


def _tasks_for(shards_free: int) -> int:
    return min(MAX_TASKS, shards_free)


def _enqueue(run_id: int, tasks: int) -> int:
    try:
        for _ in range(tasks):
            enqueue(WORK_ON_BROADCAST, run_id)
    except QueueUnavailableError as exc:
        minutes = int(_LOST_AFTER.total_seconds() // 60)
        raise NotEnqueuedError(
            f"Broadcast {run_id} is saved, but was not enqueued. {exc} Send it with: "
            f"broadcast --resume {run_id} (with --wait if the queue stays down). Cancel it with: "
            f"broadcast --cancel {run_id}. Otherwise purge_connections enqueues it when it is "
            f"{minutes} minutes old.",
            run=run_id,
        ) from exc
    return tasks


def _cut(run: BroadcastRun, first: int, last: int) -> Iterator[BroadcastShard]:
    """Ranges of equal length, with about 10,000 recipients each."""
    wanted = min(MAX_SHARDS, -(-run.recipients // RECIPIENTS_PER_SHARD))
    length = -(-(last - first + 1) // wanted)
    for start in range(first, last + 1, length):
        yield BroadcastShard(
            run=run, first_pk=start, last_pk=min(last, start + length - 1), position=start - 1
        )
