"""The status of broadcasts: the sums over their shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django.db import router
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from websocket_gateway.exceptions import WebSocketGatewayError
from websocket_gateway.leases import is_held
from websocket_gateway.models import BroadcastRun, BroadcastShard
from websocket_gateway.sending.reports import DeliveryReport, count_reason

_SUMS = ("delivered", "gone", "failed", "retried")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The status of a broadcast."""

    run: BroadcastRun
    report: DeliveryReport
    """The figures so far; `seconds` is from its start to its end, or until now."""
    shards: int
    finished: int
    """Shards that are finished."""
    working: int
    """Shards that a worker holds at this moment."""

    @property
    def waiting(self) -> bool:
        """Whether it is unfinished and no worker holds a shard: its tasks wait in the queue, or are lost."""
        return self.run.state == BroadcastRun.State.RUNNING and not self.working


def summarize(run_id: int) -> RunSummary:
    """The status of a broadcast, with reasons; raises `WebSocketGatewayError` if there is none."""
    run = find_run(run_id)
    reasons: Counter[str] = Counter()
    for found in _shards([run]).values_list("reasons", flat=True):
        for reason, number in found.items():
            count_reason(reasons, reason, number)
    return _summaries([run], reasons)[0]


def recent_runs(*, limit: int = 10) -> list[RunSummary]:
    """The newest broadcasts, newest first, in two queries; without reasons."""
    current = BroadcastRun.objects.using(router.db_for_write(BroadcastRun))
    newest = current.select_related("user", "started_by").order_by("-pk")
    # The message may have 128 KB.
    return _summaries(newest.defer("message")[:limit], Counter())


def find_run(run_id: int) -> BroadcastRun:
    """The broadcast of that number; raises `WebSocketGatewayError` if there is none."""
    query = BroadcastRun.objects.using(router.db_for_write(BroadcastRun))
    run: BroadcastRun | None = query.select_related("user", "started_by").filter(pk=run_id).first()
    if run is None:
        raise WebSocketGatewayError(f"There is no broadcast {run_id}.")
    return run


def _summaries(runs: Iterable[BroadcastRun], reasons: Counter[str]) -> list[RunSummary]:
    found = list(runs)
    sums = (
        _shards(found)
        .values("run_id")
        .order_by()
        .annotate(
            **{f"sum_{name}": Sum(name) for name in _SUMS},
            shards=Count("pk"),
            finished=Count("pk", filter=Q(finished_on__isnull=False)),
            working=Count("pk", filter=is_held() & Q(finished_on=None)),
        )
    )
    by_run: dict[int, Mapping[str, Any]] = {row["run_id"]: row for row in sums}
    without_shards = Counter[str]()
    return [_summary(run, by_run.get(run.pk, without_shards), reasons) for run in found]


def _summary(run: BroadcastRun, row: Mapping[str, int], reasons: Counter[str]) -> RunSummary:
    report = DeliveryReport(
        delivered=row["sum_delivered"],
        gone=row["sum_gone"],
        failed=row["sum_failed"],
        retried=row["sum_retried"],
        reasons=MappingProxyType(dict(reasons.most_common())),
        seconds=((run.finished_on or timezone.now()) - run.created_on).total_seconds(),
        engine="tasks",
        run=run.pk,
    )
    return RunSummary(
        run=run, report=report, shards=row["shards"], finished=row["finished"], working=row["working"]
    )


def _shards(runs: Sequence[BroadcastRun]) -> QuerySet[BroadcastShard]:
    current = BroadcastShard.objects.using(router.db_for_write(BroadcastShard))
    return current.filter(run__in=[run.pk for run in runs])
