"""Sending: one pipeline from the recipients' rows to a `DeliveryReport`."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.db.models import QuerySet

from websocket_gateway.aws.connections import Connections
from websocket_gateway.frames import encode_message
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import audience as recipients
from websocket_gateway.sending import runs
from websocket_gateway.sending.delivery import Delivery, OnProgress, SendOptions
from websocket_gateway.sending.paging import Audience
from websocket_gateway.sending.reports import DeliveryReport, OnFailure, Tally
from websocket_gateway.validators import validate_channel_name

logger = logging.getLogger(__name__)


def send(
    message: Any,
    *,
    to: QuerySet[WebSocketSession] | WebSocketSession,
    on_commit: bool = False,
    options: SendOptions | None = None,
    on_progress: OnProgress | None = None,
    on_failure: OnFailure | None = None,
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
    it ends; `on_failure` gets each failure when it is known.
    """
    data = encode_message(message)
    sending = _Sending(data, options or SendOptions(), on_progress, on_failure, connections)
    return sending.start(recipients.of_query(to), on_commit=on_commit)


def broadcast(
    message: Any,
    *,
    channel: str | None = None,
    user: AbstractBaseUser | None = None,
    everyone: bool = False,
    connection_ids: Iterable[str] | None = None,
    on_commit: bool = False,
    enqueue: bool = False,
    options: SendOptions | None = None,
    on_progress: OnProgress | None = None,
    on_failure: OnFailure | None = None,
    connections: Connections | None = None,
) -> DeliveryReport:
    """Send one message to a channel (primary and subscribed), a user, everyone, or some connections.

    Exactly one of the four must be given, else `TypeError`. Raises `ValidationError` for a name
    that no channel can have, and `ValueError` for a user who is not in the database, such as
    `AnonymousUser`; everything else is as with `send`.

    With `enqueue=True` the project's task queue sends, once the surrounding transaction commits;
    the report returned is empty and `deferred`, and its `run` is the number of the broadcast. Of the
    options only `max_per_second` counts then. Raises `ConfigurationError` where there is no such queue.
    """
    data = encode_message(message)
    audience = find_audience(channel=channel, user=user, everyone=everyone, connection_ids=connection_ids)
    if enqueue:
        if connection_ids is not None:
            raise TypeError("A broadcast to connection_ids cannot be enqueued.")
        pace = options.max_per_second if options else None
        run = runs.enqueue_run(data, channel=channel, user=user, max_per_second=pace)
        return DeliveryReport(deferred=True, run=run.pk)
    sending = _Sending(data, options or SendOptions(), on_progress, on_failure, connections)
    return sending.start(audience, on_commit=on_commit)


def find_audience(
    *,
    channel: str | None = None,
    user: AbstractBaseUser | None = None,
    everyone: bool = False,
    connection_ids: Iterable[str] | None = None,
) -> Audience:
    """Those whom `broadcast` would reach. Raises `TypeError` unless exactly one is given."""
    if (channel is not None) + (user is not None) + everyone + (connection_ids is not None) != 1:
        raise TypeError("Give exactly one of channel, user, everyone=True and connection_ids.")
    if channel is not None:
        try:
            validate_channel_name(channel)
        except ValidationError as exc:
            raise ValidationError({"channel": exc.messages}) from exc
        return recipients.of_channel(channel)
    if connection_ids is not None:
        return recipients.of_connection_ids(connection_ids)
    return recipients.of_user(user) if user is not None else recipients.of_everyone()


class _Sending:
    """A message that is ready to be sent, and who wants to know how it goes."""

    def __init__(
        self,
        data: bytes,
        options: SendOptions,
        on_progress: OnProgress | None,
        on_failure: OnFailure | None,
        connections: Connections | None,
    ) -> None:
        self._data = data
        self._options = options
        self._on_progress = on_progress
        self._on_failure = on_failure
        self._connections = connections

    def start(self, audience: Audience, *, on_commit: bool) -> DeliveryReport:
        """Send now, or when the surrounding transaction commits."""
        using = router.db_for_write(WebSocketSession)
        if on_commit and transaction.get_connection(using).in_atomic_block:
            # Robust: the transaction is done, and whoever opened it must not fail because of us.
            transaction.on_commit(lambda: _log(self._run(audience)), using=using, robust=True)
            return DeliveryReport(deferred=True)
        return self._run(audience)

    def _run(self, audience: Audience) -> DeliveryReport:
        tally = Tally(on_failure=self._on_failure)
        delivery = Delivery(
            self._data,
            tally=tally,
            engine=self._options.chosen_engine,
            limits=self._options.limits(),
            connections=self._connections,
            on_progress=self._on_progress,
        )
        try:
            for page in audience.pages():
                delivery.post(page)
            delivery.drain()
        finally:
            delivery.stop()
            report = tally.report()
            if self._on_progress and not delivery.inherited:
                self._on_progress(report)
        return report


def _log(report: DeliveryReport) -> None:
    if report.failed:
        logger.warning(
            "%d of %d recipients did not get a message sent on commit: %s",
            report.failed,
            report.recipients,
            dict(report.reasons),
        )
