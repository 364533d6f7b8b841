"""Sending: one pipeline from the recipients' rows to a `DeliveryReport`."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from websocket_gateway.aws.connections import Connections, get_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines import open_engine
from websocket_gateway.aws.fanout import Engine, Outcome, Recipient, Status
from websocket_gateway.aws.sender import Limits
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import GatewayMissingError, MissingRegionError
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.services import recipients
from websocket_gateway.services.connections import send_safely
from websocket_gateway.services.contention import retry_when_busy
from websocket_gateway.services.endpoints import endpoint_of
from websocket_gateway.services.messages import encode_message
from websocket_gateway.services.recipients import Audience, Row
from websocket_gateway.services.reports import DeliveryReport, Failure, Tally
from websocket_gateway.signals import connection_gone
from websocket_gateway.validators import validate_channel_name

__all__ = ["DeliveryReport", "Failure", "broadcast", "send"]

logger = logging.getLogger(__name__)

OnProgress = Callable[[DeliveryReport], None]

_GONE_BATCH = 500
_PROGRESS_SECONDS = 0.1


def send(
    message: Any,
    *,
    to: QuerySet[WebSocketSession] | WebSocketSession,
    on_commit: bool = False,
    on_progress: OnProgress | None = None,
    connections: Connections | None = None,
) -> DeliveryReport:
    """Send one message to the connected sessions of a query, or to one session.

    bytes and str go as they are, everything else as JSON by Django's encoder. Who is there is
    looked up page by page while sending. What happens to single recipients stands in the
    report; raised are only `InvalidMessageError` (a `ValueError`), `TypeError` for a `to` that
    is none, and, before the first post, `MissingCredentialsError` and `MissingRegionError`.

    With `on_commit=True` inside a transaction the message is checked at once, but recipients
    are looked up and posted to only after the commit, and never after a rollback; the report
    returned then is empty and `deferred`, and later failures are logged. Without a surrounding
    transaction it is sent at once, as usual.

    `on_progress` gets the report so far about ten times a second, and once at the end, however
    it ends.
    """
    data = encode_message(message)
    audience = recipients.of_query(to)
    return _start(data, audience, on_commit, on_progress, connections)


def broadcast(
    message: Any,
    *,
    channel: str | None = None,
    user: AbstractBaseUser | None = None,
    everyone: bool = False,
    on_commit: bool = False,
    on_progress: OnProgress | None = None,
    connections: Connections | None = None,
) -> DeliveryReport:
    """Send one message to a channel (primary and subscribed), to a user, or to everyone.

    Exactly one of the three must be given, else `TypeError`. Raises `ValidationError` for a
    name that no channel can have; everything else is as with `send`.
    """
    data = encode_message(message)
    audience = find_audience(channel=channel, user=user, everyone=everyone)
    return _start(data, audience, on_commit, on_progress, connections)


def find_audience(
    *, channel: str | None = None, user: AbstractBaseUser | None = None, everyone: bool = False
) -> Audience:
    """Those whom `broadcast` would reach. Raises `TypeError` unless exactly one is given."""
    if (channel is not None) + (user is not None) + everyone != 1:
        raise TypeError("Give exactly one of channel, user and everyone=True.")
    if channel is not None:
        try:
            validate_channel_name(channel)
        except ValidationError as exc:
            raise ValidationError({"channel": exc.messages}) from exc
        return recipients.of_channel(channel)
    return recipients.of_user(user) if user is not None else recipients.of_everyone()


def _start(
    data: bytes,
    audience: Audience,
    on_commit: bool,
    on_progress: OnProgress | None,
    connections: Connections | None,
) -> DeliveryReport:
    def run() -> DeliveryReport:
        return _Run(data, connections or get_connections(), on_progress).over(audience)

    using = router.db_for_write(WebSocketSession)
    if on_commit and transaction.get_connection(using).in_atomic_block:
        # Robust: the transaction is done, and whoever opened it must not fail because of us.
        transaction.on_commit(lambda: _log(run()), using=using, robust=True)
        return DeliveryReport(deferred=True)
    return run()


def _log(report: DeliveryReport) -> None:
    if report.failed:
        logger.warning(
            "%d of %d recipients did not get a message sent on commit: %s",
            report.failed,
            report.recipients,
            dict(report.reasons),
        )


def _open_engine(connections: Connections, first_page: list[Recipient]) -> Engine:
    settings = get_settings()
    limits = Limits(
        concurrency=settings.send_concurrency,
        max_per_second=settings.send_max_per_second,
        timeout_seconds=settings.send_timeout_seconds,
        deadline_seconds=settings.send_deadline_seconds,
    )
    return open_engine(settings.send_engine, first_page=first_page, connections=connections, limits=limits)


class _Run:
    """One message on its way."""

    def __init__(self, data: bytes, connections: Connections, on_progress: OnProgress | None) -> None:
        self._data = data
        self._connections = connections
        self._engine: Engine | None = None
        self._tally = Tally()
        self._on_progress = on_progress
        self._told = time.monotonic()
        self._targets: dict[int, ManagementEndpoint | str] = {}
        self._gone: list[str] = []
        self._grace = timedelta(seconds=get_settings().connect_grace_seconds)

    def over(self, audience: Audience) -> DeliveryReport:
        """Send to everyone of the audience."""
        try:
            for page in audience.pages():
                self._learn_targets(page)
                self._send(list(self._addressed(page)))
            if self._engine:
                self._fold(self._engine.drain())
            else:
                self._tally.engine = get_settings().send_engine
        finally:
            if self._engine:
                self._fold(self._engine.stop())
            self._mark_gone()
            report = self._tally.report()
            if self._on_progress:
                self._on_progress(report)
        return report

    def _send(self, page: list[Recipient]) -> None:
        if not page:
            return
        if self._engine is None:
            self._engine = _open_engine(self._connections, page)
            self._tally.engine = self._engine.name
        self._fold(self._engine.send(page, self._data))

    def _learn_targets(self, page: list[Row]) -> None:
        unknown = {row.gateway_id for row in page} - self._targets.keys()
        for pk, gateway in ApiGateway.objects.in_bulk(unknown).items() if unknown else ():
            try:
                self._targets[pk] = endpoint_of(gateway)
            except GatewayMissingError as exc:
                self._targets[pk] = str(exc)
            except MissingRegionError as exc:
                if not self._tally.total:
                    raise
                self._targets[pk] = str(exc)

    def _addressed(self, page: list[Row]) -> Iterator[Recipient]:
        for row in page:
            target = self._targets.get(row.gateway_id, "the gateway's row was deleted meanwhile")
            if isinstance(target, str):
                self._tally.fail(row.connection_id, target)
            else:
                yield Recipient(target, row.connection_id, row.connected_on)

    def _fold(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.status is Status.GONE:
                self._fold_gone(outcome)
            else:
                self._tally.add(outcome)
            if self._on_progress and time.monotonic() - self._told >= _PROGRESS_SECONDS:
                self._on_progress(self._tally.report())
                self._told = time.monotonic()

    def _fold_gone(self, outcome: Outcome) -> None:
        to = outcome.recipient
        # While `$connect` is still being answered the service says "gone" too.
        if timezone.now() - to.connected_on < self._grace:
            seconds = int(self._grace.total_seconds())
            self._tally.fail(to.connection_id, f"gone or not open yet: connected less than {seconds} s ago")
            return
        self._tally.add(outcome)
        self._gone.append(to.connection_id)
        if len(self._gone) >= _GONE_BATCH:
            self._mark_gone()

    def _mark_gone(self) -> None:
        """End the sessions found gone, in one statement; by connection id, which is never used again."""
        if not self._gone:
            return
        found, self._gone = tuple(self._gone), []
        ended = WebSocketSession.objects.filter(connection_id__in=found, connected=True)
        retry_when_busy(
            lambda: ended.update(connected=False, disconnected_on=timezone.now()), model=WebSocketSession
        )
        send_safely(connection_gone, sender=WebSocketSession, connection_ids=found)
