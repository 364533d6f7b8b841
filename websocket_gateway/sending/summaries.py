"""The status of broadcasts: the sums over their shards, or the figures of their records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from django.db import router
from django.db.models import Aggregate, Count, OuterRef, Q, QuerySet, Subquery, Sum
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
    run = find_run(run_id, with_sums)
    reasons = Counter(run.reasons or {})
    current = BroadcastShard.objects.using(router.db_for_write(BroadcastShard))
    for found in current.filter(run=run).values_list("reasons", flat=True):
        for reason, number in found.items():
            count_reason(reasons, reason, number)
    return _summary(run, reasons)


def recent_runs(*, limit: int = 10) -> list[RunSummary]:
    """The newest broadcasts, newest first, in one query; without reasons."""
    current = BroadcastRun.objects.using(router.db_for_write(BroadcastRun))
    newest = current.select_related("user", "started_by").order_by("-pk")
    # The message may have 128 KB.
    return [_summary(run, Counter()) for run in with_sums(newest.defer("message"))[:limit]]


def find_run(
    run_id: int, prepare: Callable[[QuerySet[BroadcastRun]], QuerySet[BroadcastRun]] = QuerySet.all
) -> BroadcastRun:
    """The broadcast of that number, of a query that is prepared; `WebSocketGatewayError` if there is none."""
    query = BroadcastRun.objects.using(router.db_for_write(BroadcastRun))
    run = prepare(query.select_related("user", "started_by")).filter(pk=run_id).first()
    if run is None:
        raise WebSocketGatewayError(f"There is no broadcast {run_id}.")
    return run


def with_sums(runs: QuerySet[BroadcastRun]) -> QuerySet[BroadcastRun]:
    """Add the sums over the shards of each broadcast, read along their index: `sum_delivered` and others."""
    sums: dict[str, Aggregate] = {
        **{f"sum_{name}": Sum(name) for name in _SUMS},
        "number_of_shards": Count("pk"),
        "number_finished": Count("pk", filter=Q(finished_on__isnull=False)),
        "number_working": Count("pk", filter=is_held() & Q(finished_on=None)),
    }
    return runs.annotate(**{name: over_shards(one) for name, one in sums.items()})


def over_shards(figure: Aggregate) -> Subquery:
    """A figure of the shards of a broadcast, read along their index."""
    shards = BroadcastShard.objects.filter(run=OuterRef("pk")).order_by().values("run")
    return Subquery(shards.annotate(found=figure).values("found"))


def figure_of(run: BroadcastRun, name: str) -> int:
    """One of the sums of a broadcast of `with_sums`: over its shards, or the figure of its record."""
    return int(getattr(run, f"sum_{name}") or 0) + (getattr(run, name, None) or 0)


def _summary(run: BroadcastRun, reasons: Counter[str]) -> RunSummary:
    found = vars(run)
    report = DeliveryReport(
        delivered=figure_of(run, "delivered"),
        gone=figure_of(run, "gone"),
        failed=figure_of(run, "failed"),
        retried=figure_of(run, "retried"),
        reasons=MappingProxyType(dict(reasons.most_common())),
        seconds=((run.finished_on or timezone.now()) - run.created_on).total_seconds(),
        engine="tasks",
        run=run.pk,
    )
    return RunSummary(
        run=run,
        report=report,
        shards=found["number_of_shards"] or 0,
        finished=found["number_finished"] or 0,
        working=found["number_working"] or 0,
    )
