"""One message on its way: from an audience to a report, now or once the surrounding transaction commits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from django.db import router, transaction

from websocket_gateway import metrics
from websocket_gateway.aws.connections import Connections
from websocket_gateway.aws.engines.base import Limits
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending.delivery import Delivery, OnProgress, SendOptions
from websocket_gateway.sending.paging import PAGE_SIZE, Audience
from websocket_gateway.sending.reports import DeliveryReport, OnFailure, Tally
from websocket_gateway.tenants import with_current_tenant
from websocket_gateway.web_requests import in_web_request

logger = logging.getLogger("websocket_gateway.sending")

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

    def start(self, data: bytes, audience: Audience, *, on_commit: bool) -> DeliveryReport:
        """Send now, or when the surrounding transaction commits."""
        # Not from a replica, which might not know yet who has just connected or subscribed.
        using = audience.database or router.db_for_write(WebSocketSession)
        audience = audience.on(using)
        if on_commit and transaction.get_connection(using).in_atomic_block:
            # Robust: the transaction is committed, so its code must not fail because of this.
            run = with_current_tenant(partial(replace(self, urgent=True).send, data, audience, using))
            transaction.on_commit(lambda: log_failures(run()), using=using, robust=True)
            return DeliveryReport(deferred=True)
        return self.send(data, audience, using)

    def send(self, data: bytes | Write, audience: Audience, using: str) -> DeliveryReport:
        """Send to every page of the audience."""
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
        try:
            with metrics.span("send", mode="urgent" if limits.urgent else "patient"):
                for page in pages:
                    delivery.post(page)
                delivery.drain()
        finally:
            delivery.stop()
            report = tally.report()
            if self.on_progress and not delivery.inherited:
                self.on_progress(report)
        return report


def log_failures(report: DeliveryReport) -> None:
    """Log the failures of a message that was sent on commit, whose report is returned to no caller."""
    if report.failed:
        logger.warning(
            "%d of %d recipients did not get a message sent on commit: %s",
            report.failed,
            report.recipients,
            dict(report.reasons),
        )


def _seconds_to_send(audience: Audience, limits: Limits) -> float:
    """How long sending to an audience takes at this pace; 0 where there is no limit."""
    return audience.count() / limits.max_per_second if limits.max_per_second else 0.0
