"""Leases: one holder at a time works on a row, such as a gateway that is changed or a shard that is sent.

A lease is taken, renewed and used by single statements (compare-and-set) against the database's own clock, so
neither two machines nor their clocks can disagree. Its fence is a condition that only the row of the last
holder meets; a holder that was replaced can write nothing more. The lease of a dead holder expires. On the
same machine its process is found to be gone, and its lease is free at once.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.db import Error, connections, router
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now
from django.db.models.signals import post_save
from django.utils import timezone

from websocket_gateway.concurrency import insert_unless_exists, reconnect_when_away, retry_when_busy
from websocket_gateway.exceptions import GatewayBusyError, GatewayNotFoundError, LeaseLostError
from websocket_gateway.lease_holders import holder_name, is_dead
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import ApiGateway
from websocket_gateway.no_fork import join
from websocket_gateway.tenants import for_another_thread

logger = get_logger(__name__)

LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0
FRESH_SECONDS = 6.0
"""How long after a renewal no check is needed: less than what is left of the lease then."""
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 600.0
"""How long to wait for another holder of a gateway's lease."""


def is_free() -> Q:
    """The rows whose lease is not held, or whose holder gave no sign of life for 15 seconds."""
    return Q(lease_expires_on=None) | Q(lease_expires_on__lt=Now())


def is_held() -> Q:
    """The rows whose lease a living holder has: the others of `is_free`."""
    return Q(lease_expires_on__gte=Now())


class Lease:
    """The right to work on one row; `fence` is the condition that only this holder's row meets."""

    def __init__(self, model: type[Model], pk: int, *, fence: Q, only: Q = Q()) -> None:  # noqa: B008 - read only
        self.model, self.pk = model, pk
        self._fence, self._only = fence, only

    def take(self, condition: Q, **values: object) -> bool:
        """Take the lease if the row meets `condition`, and set `values`; whether that worked."""
        return self._update(condition & self._only, values)

    def hold(self, **values: object) -> bool:
        """Hold the lease for 15 more seconds and set `values`; False, and nothing done, if it was lost."""
        return self._update(self._fence & self._only, values)

    def release(self) -> None:
        """Give the lease back, if it is still held."""
        mine = self.model._default_manager.filter(self._fence, pk=self.pk)
        retry_when_busy(lambda: mine.update(lease_holder="", lease_expires_on=None), model=self.model)

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the lease from a thread until the block ends or the lease is lost.

        Not inside a transaction on the model's database: its lock keeps everything else off the row anyway.
        """
        if connections[router.db_for_write(self.model)].in_atomic_block:
            yield
            return
        ended = threading.Event()
        renew = for_another_thread(self._renew_until)
        thread = threading.Thread(target=renew, args=(ended,), name="websocket-gateway-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            join(thread)

    def _renew_until(self, ended: threading.Event) -> None:
        while not ended.wait(RENEW_SECONDS):
            try:
                if not self.hold():
                    return  # the work itself finds out at its next step
            except Error:
                logger.warning(
                    "A lease could not be renewed; trying again.",
                    exc_info=True,
                    extra={"event": "lease_not_renewed"},
                )
                connections[router.db_for_write(self.model)].close()  # it may be lost

    def _update(self, condition: Q, values: dict[str, object]) -> bool:
        row = self.model._default_manager.filter(condition, pk=self.pk)
        expires = Now() + timedelta(seconds=LEASE_SECONDS)
        return bool(retry_when_busy(lambda: row.update(lease_expires_on=expires, **values), model=self.model))


class GatewayLease(Lease):
    """The right to change one gateway in AWS, and its row; `check()` before every step."""

    def __init__(self, gateway: ApiGateway) -> None:
        self.gateway = gateway
        # The last part tells two threads, and two processes that had the same pid, apart.
        self.holder = f"{holder_name()}:{secrets.token_hex(4)}"
        self._held_at = float("-inf")
        super().__init__(ApiGateway, gateway.pk, fence=Q(lease_holder=self.holder))

    def acquire(self, *, instead_of: str = "") -> bool:
        """Take the lease if it is free, or if `instead_of` holds it; whether that worked."""
        free = is_free() | Q(lease_holder="")
        return self.take(free | Q(lease_holder=instead_of) if instead_of else free, lease_holder=self.holder)

    def insert(self) -> bool:
        """Insert the gateway's new row, held from its first moment; False if its name is taken."""
        self.gateway.lease_holder = self.holder
        self.gateway.lease_expires_on = timezone.now() + timedelta(seconds=LEASE_SECONDS)
        if not insert_unless_exists(self.gateway):
            return False
        self.pk = self.gateway.pk
        return self.hold()

    def check(self) -> None:
        """Return while the lease is held; raise `LeaseLostError` once another process has it."""
        if time.monotonic() - self._held_at > FRESH_SECONDS and not self.hold():
            raise self._lost()

    def save(self, **values: object) -> None:
        """Set `values` in the gateway's row, and no other field: other fields may be edited meanwhile.

        Raises `LeaseLostError` once another process has the row, `GatewayNotFoundError` once it is deleted.
        """
        for name, value in values.items():
            setattr(self.gateway, name, value)
        # One moment for both: a row that is saved later has changes that are not in AWS.
        self.gateway.updated_on = values.get("last_applied_on") or timezone.now()  # type: ignore[assignment]
        if not self.hold(**values, updated_on=self.gateway.updated_on):
            raise self._lost()
        post_save.send(
            sender=ApiGateway,
            instance=self.gateway,
            created=False,
            raw=False,
            using=router.db_for_write(ApiGateway),
            update_fields=frozenset(values),
        )

    def _update(self, condition: Q, values: dict[str, object]) -> bool:
        began = time.monotonic()
        held = super()._update(condition, values)
        self._held_at = began if held else float("-inf")
        return held

    def _lost(self) -> GatewayNotFoundError | LeaseLostError:
        gateway = self.gateway
        if _current_rows().filter(pk=self.pk).exists():
            return LeaseLostError(
                f"Another process is changing gateway {gateway.api_name!r} now, because this one gave no "
                "sign of life for too long. This process stops here; run the command again."
            )
        left = f" API {gateway.api_id!r} is left in AWS; adopt it with --adopt." if gateway.api_id else ""
        return GatewayNotFoundError(
            f"The row of gateway {gateway.api_name!r} was deleted while the gateway was being changed.{left}"
        )


@contextmanager
def leased(
    gateway: ApiGateway,
    *,
    on_wait: Callable[[str], None],
    patience: float = PATIENCE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[GatewayLease]:
    """Hold the lease of `gateway`.

    Another holder is waited for, `patience` seconds long; raises `GatewayBusyError` when that ends, and
    `GatewayNotFoundError` once the row is deleted.
    """
    lease = GatewayLease(gateway)
    _wait_for(lease, on_wait=on_wait, patience=patience, sleep=sleep)
    with held(lease):
        yield lease


@contextmanager
def held(lease: Lease) -> Iterator[None]:
    """Renew a lease that was taken, and give it back at the end."""
    try:
        with lease.renewed():
            yield
    finally:
        with suppress(Error):
            reconnect_when_away(lease.release, using=router.db_for_write(lease.model))


def _wait_for(
    lease: GatewayLease, *, on_wait: Callable[[str], None], patience: float, sleep: Callable[[float], None]
) -> None:
    deadline = time.monotonic() + patience
    while not lease.acquire():
        holders = _current_rows().filter(pk=lease.pk).values_list("lease_holder", flat=True)
        holder = holders.first()
        if holder is None:
            name = lease.gateway.api_name
            raise GatewayNotFoundError(f"Gateway {name!r} was deleted by another process meanwhile.")
        host, _, rest = holder.partition(":")
        pid = rest.partition(":")[0]
        if is_dead(host, pid) and lease.acquire(instead_of=holder):
            return
        machine = host.partition("/")[0]
        busy = f"Gateway {lease.gateway.api_name!r} is being changed by process {pid} on {machine}"
        if time.monotonic() >= deadline:
            raise GatewayBusyError(f"{busy}. Try again when that is done.")
        on_wait(f"{busy}; waiting until that is done.")
        sleep(POLL_SECONDS)


def _current_rows() -> QuerySet[ApiGateway]:
    rows: QuerySet[ApiGateway] = ApiGateway.objects.using(router.db_for_write(ApiGateway))
    return rows
