"""Counts of refusals by rule and hour in the database, if `ACTIVITY_RETENTION_DAYS` is set.

A process counts in memory, and adds what it has counted to the rows after a request: the first refusal at
once, later ones once a minute. So a flood of refusals costs no statement for each. A process that ends loses
what it counted since it last wrote, which is at most what happened in one minute.
"""

from __future__ import annotations

import threading
import time
from collections import Counter

from django.db import Error, connections, router
from django.db.models import F
from django.utils import timezone

from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.forking import PerProcess
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import RefusalCount
from websocket_gateway.receiving.limits import window_of
from websocket_gateway.security_log import EVENTS
from websocket_gateway.tenants import Place, in_schema, place_in

logger = get_logger(__name__)

WRITE_EVERY_SECONDS = 60.0
_HOUR = 3600
_COUNTED = frozenset(EVENTS) - {"duplicate"} - {rule for rule, event in EVENTS.items() if event == "revoked"}
"""Not ends of connections, and not the repetitions that a client makes in normal operation."""


class _Counts:
    """What a process has counted and not written yet, by the place of the rows and the rule."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: Counter[tuple[Place, str]] = Counter()
        self._due = 0.0

    def add(self, place: Place, rule: str, number: int = 1) -> None:
        """Count refusals."""
        with self._lock:
            self._numbers[place, rule] += number

    def take(self) -> Counter[tuple[Place, str]]:
        """What is to be written now; empty if that is not due yet."""
        if not self._numbers or time.monotonic() < self._due:
            return Counter()
        with self._lock:
            taken, self._numbers = self._numbers, Counter()
            self._due = time.monotonic() + WRITE_EVERY_SECONDS
            return taken

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._numbers, self._due = Counter(), 0.0


_counts = PerProcess(_Counts)


def count_refusal(rule: str) -> None:
    """Count one refusal by a rule of the security log."""
    try:
        wanted = get_settings().activity_retention_days
    except ConfigurationError:
        return
    if wanted and rule in _COUNTED:
        _counts().add(place_in(router.db_for_write(RefusalCount)), rule)


def write_refusals(**kwargs: object) -> None:
    """Add what was counted to the rows of this hour, if that is due; a receiver. Errors are only logged."""
    for (place, rule), number in _counts().take().items():
        alias, schema = place
        try:
            with in_schema(alias, schema):
                _add(rule, number)
        except Error as exc:
            _counts().add(place, rule, number)
            logger.warning(
                "Refusals (%s: %d) are not counted yet: %s",
                rule,
                number,
                exc,
                extra={"event": "refusals_not_counted"},
            )
        finally:
            # Django has closed the connections of this request already.
            if not connections[alias].in_atomic_block:
                connections[alias].close_if_unusable_or_obsolete()


def forget_refusals() -> None:
    """Forget what was counted and not written: for tests."""
    _counts().clear()


def _add(rule: str, number: int) -> None:
    hour = window_of(timezone.now(), _HOUR)
    row = RefusalCount.objects.filter(hour=hour, rule=rule)

    def advance() -> int:
        return retry_when_busy(lambda: row.update(number=F("number") + number), model=RefusalCount)

    if not advance() and not insert_unless_exists(RefusalCount(hour=hour, rule=rule, number=number)):
        advance()
