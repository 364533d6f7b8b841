"""Records of broadcasts that no task queue sends: one row for each, if `ACTIVITY_RETENTION_DAYS` is set.

A broadcast with shards has its row in any case. Messages to one session are not broadcasts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from websocket_gateway.concurrency import retry_when_busy, run_after_commit
from websocket_gateway.conf import get_settings
from websocket_gateway.models import BroadcastRun
from websocket_gateway.sending.announcing import Subject
from websocket_gateway.sending.reports import DeliveryReport


class Starter(NamedTuple):
    """Where a broadcast is started, and the primary key of the user who does it, if that is known."""

    origin: BroadcastRun.Origin = BroadcastRun.Origin.CODE
    user_id: Any = None


_starter: ContextVar[Starter | None] = ContextVar("websocket_gateway_starter", default=None)


def current_starter() -> Starter:
    """Where the code that runs now was started."""
    return _starter.get() or Starter()


@contextmanager
def started_in(
    origin: BroadcastRun.Origin, user: AbstractBaseUser | AnonymousUser | None = None
) -> Iterator[None]:
    """Say for the length of a `with` block where broadcasts are started, and by which user."""
    token = _starter.set(Starter(origin, None if user is None else user.pk))
    try:
        yield
    finally:
        _starter.reset(token)


@dataclass(frozen=True, slots=True)
class Record:
    """A broadcast of which a row will be written once its report is complete."""

    subject: Subject
    starter: Starter

    def save(self, report: DeliveryReport, *, interrupted: bool) -> None:
        """Insert the row, after the surrounding transaction if there is one. An error is only logged."""
        states, now = BroadcastRun.State, timezone.now()
        row = BroadcastRun(
            message=b"",
            audience=self.subject.audience,
            channel_name=self.subject.channel_name,
            user_id=self.subject.user_id,
            origin=self.starter.origin,
            started_by_id=self.starter.user_id,
            state=states.CANCELLED if interrupted else states.FINISHED,
            recipients=report.recipients,
            delivered=report.delivered,
            gone=report.gone,
            failed=report.failed,
            reasons=dict(report.reasons),
            created_on=now - timedelta(seconds=report.seconds),
            finished_on=now,
        )

        def insert() -> None:
            retry_when_busy(partial(row.save, force_insert=True), model=BroadcastRun)

        run_after_commit(insert, model=BroadcastRun)


def record_of(subject: Subject) -> Record | None:
    """The record of a broadcast about which receivers are told the same; None if none is written."""
    return Record(subject, current_starter()) if get_settings().activity_retention_days else None
