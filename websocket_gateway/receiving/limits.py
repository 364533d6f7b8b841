"""Rate limits: one counter row per key, advanced in one statement, exact under concurrency."""

from __future__ import annotations

import hashlib
import ipaddress
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from django.conf import settings
from django.db import router
from django.db.models import Case, F, Q, Value, When
from django.utils import timezone as django_timezone

from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy
from websocket_gateway.models import ConnectionRateLimit

_SWEEP_EVERY = 64
"""After this many new keys of a process, the ended windows of a kind are deleted."""
_FLOOD = 16 * _SWEEP_EVERY
"""The same, if no attempt found an existing row."""
_KNOWN_KEYS = 4096
_KEY_LENGTH = 191
_LENGTH = r"[0-9]{1,9}s"
_A_DAY = 24 * 60 * 60

_new_keys = 0
# Keys that have a row. A key that is over its limit then costs a SELECT instead of a failing
# INSERT, which PostgreSQL would log, and keep as a dead row, for every attempt of an attacker.
_known: set[str] = set()


class Verdict(NamedTuple):
    """Whether an attempt was within its limit, and in how many seconds the next window begins."""

    allowed: bool
    retry_after: int


def count_attempt(
    scope: str, client: str, *, limit: int, window_seconds: int, now: datetime | None = None
) -> Verdict:
    """Count one attempt of `client`. Above `limit` in the window it is refused and not counted.

    Windows are aligned to the clock. `scope` and the window's length are part of the key, so
    that two views with different windows do not reset each other's counters.

    Old rows are deleted when new ones are made. That takes another statement, so it is done where the
    counter already had a row: no attempt costs more than two statements, except under a flood of new keys.
    """
    now = now or django_timezone.now()
    window = window_of(now, window_seconds)
    key = _key(scope, window_seconds, client)
    if limit > 0 and _advance(key, window, limit):
        allowed = True
        _sweep(key, window, after=_SWEEP_EVERY)
    else:
        allowed = limit > 0 and _begin(key, window, limit)
        _sweep(key, window, after=_FLOOD)
    return Verdict(allowed=allowed, retry_after=_seconds_left(window_seconds, now))


def give_back_attempt(
    scope: str, client: str, *, window_seconds: int, attempted_on: datetime, now: datetime | None = None
) -> bool:
    """Take one attempt of `client` off its counter; False, and nothing changed, if its window is over.

    One conditional statement. The caller sees to it that no attempt is given back twice.
    """
    window = window_of(attempted_on, window_seconds)
    if window != window_of(now or django_timezone.now(), window_seconds):
        return False
    counted = ConnectionRateLimit.objects.filter(
        key=_key(scope, window_seconds, client), window_start=window, attempts__gt=0
    )
    return bool(
        retry_when_busy(lambda: counted.update(attempts=F("attempts") - 1), model=ConnectionRateLimit)
    )


def find_used_up(
    scope: str, client: str, limits: Mapping[int, int], *, now: datetime | None = None
) -> int | None:
    """The seconds until one more attempt is allowed by any of `limits`; None if one is allowed now.

    `limits` has the limit for each length of a window. Nothing is counted.
    """
    now = now or django_timezone.now()
    windows = {_key(scope, seconds, client): seconds for seconds in limits}
    # A replica can lag behind the latest attempts.
    rows = ConnectionRateLimit.objects.using(router.db_for_write(ConnectionRateLimit)).filter(key__in=windows)
    found = rows.values_list("key", "window_start", "attempts")
    full = {
        windows[key]
        for key, begun, attempts in retry_when_busy(lambda: list(found), model=ConnectionRateLimit)
        if begun >= window_of(now, windows[key]) and attempts >= limits[windows[key]]
    }
    full |= {seconds for seconds, limit in limits.items() if limit <= 0}
    if not limits or full != limits.keys():
        return None
    return min(_seconds_left(seconds, now) for seconds in full)


def window_of(moment: datetime, window_seconds: int) -> datetime:
    """The beginning of the window of that length in which `moment` is. Windows are aligned to the clock."""
    begun = moment.timestamp() // window_seconds * window_seconds
    # Without `USE_TZ` times in the database are naive, in the process's own time zone.
    return datetime.fromtimestamp(begun, tz=timezone.utc if settings.USE_TZ else None)


def client_key(source_ip: str) -> str:
    """The part of an address that counts as one client: an IPv4 address, or the /64 of an IPv6 address."""
    address = ipaddress.ip_address(source_ip)
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address)


def forget_known_keys() -> None:
    """Forget the keys that this process has seen; only tests that roll their rows back need it."""
    global _new_keys
    _known.clear()
    _new_keys = 0


def _key(scope: str, window_seconds: int, client: str) -> str:
    key = f"{scope}:{window_seconds}s:{client}"
    if len(key) <= _KEY_LENGTH:
        return key
    return f"{scope}:{window_seconds}s:sha256:{hashlib.sha256(client.encode()).hexdigest()}"


def window_seconds_of(key: str) -> int:
    """Return the length of the window in the key of a row; a day if the key has none."""
    length = key.split(":", 2)[1:2]
    return int(length[0][:-1]) if length and re.fullmatch(_LENGTH, length[0]) else _A_DAY


def _seconds_left(window_seconds: int, now: datetime) -> int:
    end = (now.timestamp() // window_seconds + 1) * window_seconds
    return max(1, math.ceil(end - now.timestamp()))


def _advance(key: str, window: datetime, limit: int) -> bool:
    older = Q(window_start__lt=window)
    # A later window comes from a machine whose clock is ahead; it is counted, not reset.
    # MariaDB assigns from left to right, so `attempts` must be set while `window_start` is the old one.
    rows = retry_when_busy(
        lambda: ConnectionRateLimit.objects.filter(older | Q(attempts__lt=limit), key=key).update(
            attempts=Case(When(older, then=Value(1)), default=F("attempts") + 1),
            window_start=Case(When(older, then=Value(window)), default=F("window_start")),
        ),
        model=ConnectionRateLimit,
    )
    if rows:
        _remember(key)
    return bool(rows)


def _begin(key: str, window: datetime, limit: int) -> bool:
    """Insert the row of the key. If it exists, the limit was reached, or another thread has just made it."""
    counters = ConnectionRateLimit.objects.using(router.db_for_write(ConnectionRateLimit))
    full = counters.filter(key=key, window_start__gte=window, attempts__gte=limit)
    if key in _known and full.exists():
        return False
    if insert_unless_exists(ConnectionRateLimit(key=key, window_start=window, attempts=1)):
        _remember(key)
        global _new_keys
        _new_keys += 1
        return True
    _remember(key)
    return _advance(key, window, limit)


def _remember(key: str) -> None:
    if len(_known) >= _KNOWN_KEYS:
        _known.clear()
    _known.add(key)


def _sweep(key: str, window: datetime, *, after: int) -> None:
    """Delete the ended windows of the same kind: same scope, same length, so none that still counts."""
    global _new_keys
    if _new_keys < after:
        return
    _new_keys = 0
    kind = ":".join(key.split(":", 2)[:2]) + ":"
    ended = window - timedelta(seconds=1)
    retry_when_busy(
        lambda: ConnectionRateLimit.objects.filter(key__startswith=kind, window_start__lte=ended).delete(),
        model=ConnectionRateLimit,
    )
