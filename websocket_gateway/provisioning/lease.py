"""One process at a time changes a gateway in AWS: a lease on its row.

Taken and renewed by single statements (compare-and-set) against the database's own clock, so neither
two machines nor their clocks can disagree. A holder that dies is waited out; on this very machine its
process is seen to be gone, and its lease is taken over at once.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy
from websocket_gateway.exceptions import GatewayBusyError, LeaseLostError
from websocket_gateway.models import ApiGateway
from websocket_gateway.renewing import renewing

LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0
FRESH_SECONDS = 6.0
"""How long after a renewal nobody needs to look again: less than what is left of it then."""
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 600.0
"""How long somebody else's lease is waited for."""


class Lease:
    """The right to change one gateway; `check()` before every step."""

    def __init__(self, gateway: ApiGateway) -> None:
        self.gateway = gateway
        # The last part tells two threads, and two processes that had the same pid, apart.
        self.holder = f"{_host()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._renewed = 0.0

    def take(self, *, instead_of: str = "") -> bool:
        """Take it if nobody holds it, or if `instead_of` does; whether that worked."""
        free = Q(lease_holder="") | Q(lease_expires_on=None) | Q(lease_expires_on__lt=Now())
        return self._set(free | Q(lease_holder=instead_of) if instead_of else free)

    def insert(self) -> bool:
        """Insert the gateway's new row, held from its first moment; False if its name is taken."""
        self.gateway.lease_holder = self.holder
        self.gateway.lease_expires_on = timezone.now() + timedelta(seconds=LEASE_SECONDS)
        return insert_unless_exists(self.gateway) and self.renew()

    def renew(self) -> bool:
        """Hold it for another 15 seconds; whether it was still ours."""
        return self._set(Q(lease_holder=self.holder))

    def release(self) -> None:
        """Give it back, if it is still ours."""
        mine = ApiGateway.objects.filter(pk=self.gateway.pk, lease_holder=self.holder)
        retry_when_busy(lambda: mine.update(lease_holder="", lease_expires_on=None), model=ApiGateway)

    def check(self) -> None:
        """Return while it is ours; raise `LeaseLostError` once another process has it."""
        if time.monotonic() - self._renewed > FRESH_SECONDS and not self.renew():
            self._renewed = float("-inf")
            raise LeaseLostError(
                f"Another process has taken over gateway {self.gateway.api_name!r}, because this one gave no "
                "sign of life for too long. Nothing more is done here; run the command again."
            )

    def _set(self, condition: Q) -> bool:
        row = ApiGateway.objects.filter(condition, pk=self.gateway.pk)
        expires = Now() + timedelta(seconds=LEASE_SECONDS)
        began = time.monotonic()
        held = retry_when_busy(
            lambda: row.update(lease_holder=self.holder, lease_expires_on=expires), model=ApiGateway
        )
        self._renewed = began if held else float("-inf")
        return bool(held)


@contextmanager
def leased(
    gateway: ApiGateway,
    *,
    on_wait: Callable[[str], None],
    patience: float = PATIENCE_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Lease]:
    """Hold the lease of `gateway`.

    Another holder is waited for, `patience` seconds long; raises `GatewayBusyError` when that ends.
    """
    lease = Lease(gateway)
    _take(lease, on_wait=on_wait, patience=patience, sleep=sleep)
    with held(lease):
        yield lease


@contextmanager
def held(lease: Lease) -> Iterator[None]:
    """Renew a lease that was taken, and give it back at the end."""
    try:
        with renewing(lease.renew, every=RENEW_SECONDS, model=ApiGateway):
            yield
    finally:
        with suppress(DatabaseError):
            lease.release()


def _take(
    lease: Lease, *, on_wait: Callable[[str], None], patience: float, sleep: Callable[[float], None]
) -> None:
    deadline = time.monotonic() + patience
    while not lease.take():
        holder = _holder(lease.gateway)
        host, pid = _parts(holder)
        if _is_dead(host, pid) and lease.take(instead_of=holder):
            return
        name = lease.gateway.api_name
        if time.monotonic() >= deadline:
            raise GatewayBusyError(
                f"Gateway {name!r} is being changed by process {pid} on {host}. Try again when that is done."
            )
        on_wait(f"Gateway {name!r} is being changed by process {pid} on {host}; waiting until that is done.")
        sleep(POLL_SECONDS)


def _holder(gateway: ApiGateway) -> str:
    return ApiGateway.objects.filter(pk=gateway.pk).values_list("lease_holder", flat=True).first() or ""


def _host() -> str:
    return socket.gethostname()[:200]


def _parts(holder: str) -> tuple[str, str]:
    host, _, rest = holder.partition(":")
    return host, rest.partition(":")[0]


def _is_dead(host: str, pid: str) -> bool:
    """Whether the process is known to be gone; of other machines nothing is known."""
    # Signal 0 only asks, but on Windows it would end the process.
    if host != _host() or not pid.isdecimal() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
