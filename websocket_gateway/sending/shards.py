"""The shards of a broadcast: each is leased, sent page by page, and every page is confirmed with the fence.

The state is in our rows and never in a queue, which may lose a task, run it twice, or leave a worker
running without it. Taking a lease increments the shard's fence, and only the newest holder can confirm a
page. After a crash, sending continues at the last confirmed page.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from django.db import router
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from websocket_gateway import metrics
from websocket_gateway.aws.pacing import Pace
from websocket_gateway.concurrency import reconnect_when_away
from websocket_gateway.connections.sessions import Row
from websocket_gateway.exceptions import LeaseLostError
from websocket_gateway.forking import jitter
from websocket_gateway.lease_holders import holder_name
from websocket_gateway.leases import Lease, held, is_free, is_held
from websocket_gateway.log_records import get_logger, log_fields
from websocket_gateway.models import BroadcastRun, BroadcastShard, WebSocketSession
from websocket_gateway.sending import paging
from websocket_gateway.sending.audience import audience_of_run
from websocket_gateway.sending.delivery import Delivery, SendOptions
from websocket_gateway.sending.finishing import finish_run_if_done
from websocket_gateway.sending.queries import rows_of
from websocket_gateway.sending.reports import Tally, count_reason

logger = get_logger(__name__)

# A turn ends within 60 seconds: it starts pages for PAGES_SECONDS, then waits at most DEADLINE_SECONDS for
# the posts in flight (and for the last attempt's time-out).
PAGES_SECONDS = 15.0
DEADLINE_SECONDS = 40
# A paced page takes about this time, so that a changed pace takes effect soon.
_PAGE_SECONDS = 2.0
_CANDIDATES = 32

OnPage = Callable[[], None]
T = TypeVar("T")


def open_shards() -> QuerySet[BroadcastShard]:
    """Unfinished shards of running broadcasts."""
    using = router.db_for_write(BroadcastShard)
    return BroadcastShard.objects.using(using).filter(finished_on=None, run__state=BroadcastRun.State.RUNNING)


def leased_shards() -> QuerySet[BroadcastShard]:
    """Open shards that a worker holds."""
    return open_shards().filter(is_held())


def free_shards() -> QuerySet[BroadcastShard]:
    """Open shards without a lease, or whose lease has not been renewed for 15 seconds."""
    return open_shards().filter(is_free())


def take_shard(run_id: int) -> BroadcastShard | None:
    """Take a free shard of this broadcast, else one of another whose worker died; None if there is none."""
    others = free_shards().filter(lease_expires_on__isnull=False)
    own = free_shards().filter(run_id=run_id)
    return again(lambda: _take_one(own) or _take_one(others))


def send_shard(
    shard: BroadcastShard,
    *,
    until: float,
    on_page: OnPage | None = None,
) -> None:
    """Send to a shard that was taken, page by page, until it is finished or until `until` (monotonic).

    Raises `LeaseLostError` once another process holds it.
    """
    _Turn(shard, on_page=on_page).run(until)


def again(statement: Callable[[], T]) -> T:
    """Run what is safe to repeat; on a new connection if the database went away."""
    return reconnect_when_away(statement, using=router.db_for_write(BroadcastShard))


def _take_one(free: QuerySet[BroadcastShard]) -> BroadcastShard | None:
    while candidates := list(free.order_by("pk").values_list("pk", "fence")[:_CANDIDATES]):
        jitter.shuffle(candidates)  # many workers look at the same moment
        for pk, fence in candidates:
            if _lease(pk, fence).hold(fence=F("fence") + 1, lease_holder=holder_name()):
                return BroadcastShard.objects.using(free.db).select_related("run__user").get(pk=pk)
    return None


def _lease(pk: int, fence: int) -> Lease:
    """The lease of the holder that set this fence; it ends when the shard is finished."""
    return Lease(BroadcastShard, pk, fence=Q(fence=fence), only=Q(finished_on=None))


class _Turn:
    """The work of one holder on a shard."""

    def __init__(self, shard: BroadcastShard, *, on_page: OnPage | None) -> None:
        self._shard = shard
        self._lease = _lease(shard.pk, shard.fence)
        self._position = shard.position
        self._to_repeat = list(rows_of(shard.unsettled))
        self._unsettled = {row.connection_id: row.pk for row in self._to_repeat}
        self._tally = Tally()
        self._on_page = on_page
        options = SendOptions(max_per_second=self._pace() or 0)
        limits = options.limits()
        self._delivery = Delivery(
            bytes(shard.run.message),
            using=router.db_for_write(WebSocketSession),
            tally=self._tally,
            engine=options.chosen_engine,
            limits=replace(limits, deadline_seconds=min(limits.deadline_seconds, DEADLINE_SECONDS)),
            on_settled=lambda connection_id: self._unsettled.pop(connection_id, None),
        )

    def run(self, until: float) -> None:
        """Work until the shard is finished or the time is up; always release the lease."""
        with log_fields(run=self._shard.run_id):
            with metrics.span("send", mode="patient"), held(self._lease):
                self._work(until)
            again(lambda: finish_run_if_done(self._shard.run_id))

    def _work(self, until: float) -> None:
        try:
            handed_over = self._send_pages(until)
            if handed_over is None:
                self._delivery.stop()
            else:
                self._delivery.drain()
            self._confirm(**({"finished_on": timezone.now()} if handed_over else {}))
        except (KeyboardInterrupt, SystemExit):
            self._confirm()
            raise
        finally:
            self._delivery.stop()

    def _send_pages(self, until: float) -> bool | None:
        """Whether every row of the shard was handed over; None if the broadcast was cancelled."""
        rows = audience_of_run(self._shard.run).between(self._shard.position, self._shard.last_pk).rows()
        pages = Pace(0)
        while (pace := self._pace()) is not None:
            self._delivery.set_pace(pace)
            pages.change(pace)
            began = time.monotonic()
            if began >= until:
                return False
            page = list(islice(rows, _page_size(pace)))
            if not page and not self._to_repeat:
                return True
            pages.spend(began, len(page))
            self._post(page)
            time.sleep(pages.pause(time.monotonic()))
        return None

    def _post(self, page: list[Row]) -> None:
        handed, self._to_repeat = self._to_repeat + page, []
        # Saved before they are handed over, so that no recipient is lost whatever happens then.
        self._unsettled.update((row.connection_id, row.pk) for row in handed)
        if page:
            self._position = page[-1].pk
        self._delivery.post(handed)
        self._confirm()
        if self._on_page:
            self._on_page()

    def _pace(self) -> float | None:
        """This shard's share of the broadcast's pace, 0 for no limit; None if it was cancelled."""
        run = BroadcastRun.objects.using(router.db_for_write(BroadcastRun)).filter(pk=self._shard.run_id)
        found = again(run.values_list("state", "max_per_second").first)
        if found is None or found[0] != BroadcastRun.State.RUNNING:
            return None
        return float(found[1]) / max(1, again(leased_shards().count)) if found[1] else 0.0

    def _confirm(self, **values: object) -> None:
        """Save the progress; raises `LeaseLostError` if another process holds the shard."""
        shard, report = self._shard, self._tally.report()
        reasons = Counter(shard.reasons)
        for reason, number in report.reasons.items():
            count_reason(reasons, reason, number)
        progress = {
            "position": self._position,
            "unsettled": list(self._unsettled.values()),
            "delivered": shard.delivered + report.delivered,
            "gone": shard.gone + report.gone,
            "failed": shard.failed + report.failed,
            "retried": shard.retried + report.retried,
            "seconds": shard.seconds + report.seconds,
            "reasons": dict(reasons),
            **values,
        }
        if not again(lambda: self._lease.hold(**progress)):
            raise LeaseLostError(f"Another process holds {shard} now.")


def _page_size(pace: float) -> int:
    return min(paging.PAGE_SIZE, max(1, int(pace * _PAGE_SECONDS))) if pace else paging.PAGE_SIZE
