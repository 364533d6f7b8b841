"""One message on its way: from an audience to a report, now or once the surrounding transaction commits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from django.db import Error, router
from django.utils.translation import ngettext

from websocket_gateway import metrics
from websocket_gateway.aws.connections import Connections
from websocket_gateway.aws.engines.base import Limits
from websocket_gateway.concurrency import run_after_commits
from websocket_gateway.connections.sessions import Row
from websocket_gateway.database_errors import describe_away
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending.announcing import FINISHED, INTERRUPTED, Subject, announce_sent
from websocket_gateway.sending.delivery import Delivery, OnProgress, SendOptions
from websocket_gateway.sending.paging import PAGE_SIZE, Audience
from websocket_gateway.sending.records import Record
from websocket_gateway.sending.reports import DeliveryInterruptedError, DeliveryReport, OnFailure, Tally
from websocket_gateway.tenants import with_current_tenant
from websocket_gateway.web_requests import in_web_request

logger = get_logger("websocket_gateway.sending")

Write = Callable[[float], bytes]
"""Writes a message for an audience that is reached over so many seconds."""


@dataclass(frozen=True, slots=True)
class Posting:
    """How a message is sent, and the callbacks about it."""

    options: SendOptions
    on_progress: OnProgress | None = None
    on_failure: OnFailure | None = None
    connections: Connections | None = None
    urgent: bool = False
    """A user waits for it, as in a web request; see `Limits.urgent`."""
    subject: Subject | None = None
    """What receivers are told of it; None for a message of this package itself."""
    record: Record | None = None
    """The row to write once the report is complete."""

    def start(self, data: bytes, audience: Audience, *, on_commit: bool) -> DeliveryReport:
        """Send now, or when the surrounding transaction commits."""
        # Not from a replica, which might not know yet who has just connected or subscribed.
        using = audience.database or router.db_for_write(WebSocketSession)
        audience = audience.on(using)
        if on_commit:
            send = partial(replace(self, urgent=True).send, data, audience, using)
            if run_after_commits(partial(finish_quietly, with_current_tenant(send)), using=using):
                return DeliveryReport(deferred=True)
        return self.send(data, audience, using)

    def send(self, data: bytes | Write, audience: Audience, using: str) -> DeliveryReport:
        """Send to every page of the audience. Raises `DeliveryInterruptedError` if the database goes away."""
        if self.options.resume_after:
            audience = audience.after(self.options.resume_after)
        tally = Tally(on_failure=self.on_failure)
        limits = self.options.limits(urgent=self.urgent or in_web_request())
        pages = audience.pages()
        if not isinstance(data, bytes):
            first = next(pages, [])
            data = data(_seconds_to_send(audience, limits) if len(first) == PAGE_SIZE else 0.0)
            pages = chain([first] if first else [], pages)
        delivery = Delivery(
            data,
            using=using,
            tally=tally,
            engine=self.options.chosen_engine,
            limits=limits,
            connections=self.connections,
            on_progress=self.on_progress,
        )
        state = INTERRUPTED
        try:
            with metrics.span("send", mode="urgent" if limits.urgent else "patient"):
                away = _post(delivery, pages)
            state = INTERRUPTED if away else FINISHED
        finally:
            delivery.stop()
            report = tally.report()
            if not delivery.inherited:
                self._tell(report, state)
        if away is not None:
            raise _interrupted(*away, report) from away[0]
        return report

    def _tell(self, report: DeliveryReport, state: str) -> None:
        if self.record and (state == FINISHED or report.recipients):
            self.record.save(report, interrupted=state != FINISHED)
        announce_sent(self.subject, report, state=state)
        if self.on_progress:
            self.on_progress(report)
        elif report.failed and report.failed == report.recipients:
            logger.warning(
                "None of %d recipients got a message: %s",
                report.recipients,
                dict(report.reasons),
                extra={"event": "send_failed", "number": report.failed},
            )


def _post(delivery: Delivery, pages: Iterable[list[Row]]) -> tuple[Error, int] | None:
    """Post every page; the error and the last key that was posted to, if the database went away."""
    last_key = None
    try:
        for page in pages:
            delivery.post(page)
            last_key = page[-1].pk
    except Error as exc:
        if last_key is None:
            raise
        delivery.drain()
        return exc, last_key
    delivery.drain()
    return None


def _interrupted(error: Error, last_key: int, report: DeliveryReport) -> DeliveryInterruptedError:
    return DeliveryInterruptedError(
        f"{describe_away(error)}. It was sent to {report.recipients} recipients, up to the session with "
        f"the key {last_key}, and to none after it.",
        report=report,
        last_key=last_key,
    )


def finish_quietly(send: Callable[[], DeliveryReport]) -> None:
    """Send after a commit, where no caller gets the report or an error: both are logged."""
    try:
        log_failures(send())
    except DeliveryInterruptedError as exc:
        logger.warning(
            "A message sent on commit was interrupted. %s", exc, extra={"event": "send_interrupted"}
        )


def log_failures(report: DeliveryReport) -> None:
    """Log the failures of a message that was sent on commit, whose report is returned to no caller."""
    if report.failed:
        logger.warning(
            ngettext(
                "%d of %d recipient did not get a message sent on commit: %s",
                "%d of %d recipients did not get a message sent on commit: %s",
                report.recipients,
            ),
            report.failed,
            report.recipients,
            dict(report.reasons),
            extra={"event": "send_failed", "number": report.failed},
        )


def _seconds_to_send(audience: Audience, limits: Limits) -> float:
    """How long sending to an audience takes at this pace; 0 where there is no limit."""
    return audience.count() / limits.max_per_second if limits.max_per_second else 0.0
