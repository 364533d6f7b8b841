"""Messages to a channel: saved with the caller's data, numbered after the commit, and sent.

The message is a row in the caller's own transaction, so it commits with the data that it is about, or not at
all. Whatever happens after the commit, the message is found again: by the next publisher, by a client that
recovers, or by the purge.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import partial

from django.db import OperationalError, router, transaction
from django.utils import timezone

from websocket_gateway.channels.envelopes import encode_body, encode_for_channel, in_envelope
from websocket_gateway.channels.history import has_history
from websocket_gateway.channels.numbering import ABANDONED_AFTER, Numbered, number_messages, place_of
from websocket_gateway.channels.trimming import TRIM_EVERY, trim
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.models import ChannelMessage, WebSocketSession
from websocket_gateway.sending import runs
from websocket_gateway.sending.audience import audience_of_channel
from websocket_gateway.sending.delivery import SendOptions
from websocket_gateway.sending.posting import Posting, log_failures
from websocket_gateway.sending.reports import DeliveryReport
from websocket_gateway.task_queue import require_background_backend

logger = logging.getLogger("websocket_gateway.sending")

_LONG_SECONDS = 5
"""Sending to an audience that takes longer is announced in the message: clients wait before they recover."""
_LONGEST_WAIT_SECONDS = 900


def send_to_channel(
    message: object, channel_name: str, posting: Posting, *, on_commit: bool = False, enqueue: bool = False
) -> DeliveryReport:
    """Send a message to the sessions of a channel; publish it first if the channel has a history."""
    if has_history(channel_name):
        return _Publication(channel_name, encode_body(message, channel_name), posting, enqueue).start()
    data = encode_for_channel(message, channel_name)
    if enqueue:
        pace = posting.options.max_per_second
        run = runs.enqueue_run(data, channel=channel_name, max_per_second=pace)
        return DeliveryReport(deferred=True, run=run.pk)
    return posting.start(data, audience_of_channel(channel_name), on_commit=on_commit)


def send_abandoned(channel_name: str) -> int:
    """Number and send what dead publishers have left in a channel; returns the number of messages.

    Messages that are younger than 2 seconds are numbered, and left to their publishers to send.
    """
    posting = Posting(SendOptions())
    numbered = number_messages(channel_name)
    abandoned = [message for message in numbered if _is_abandoned(message)]
    for message in abandoned:
        log_failures(_send(channel_name, _read_body(message), message, posting))
    _trim_if_due(channel_name, numbered)
    return len(abandoned)


@dataclass(frozen=True, slots=True)
class _Publication:
    """A message to a channel with a history."""

    channel_name: str
    body: bytes
    posting: Posting
    enqueue: bool

    def start(self) -> DeliveryReport:
        """Save the message; number and send it now, or when the surrounding transaction commits."""
        if self.enqueue:
            require_background_backend()
        using = router.db_for_write(ChannelMessage)
        row = ChannelMessage(channel_name=self.channel_name, body=self.body)
        retry_when_busy(partial(row.save, force_insert=True, using=using), model=ChannelMessage, using=using)
        connection = transaction.get_connection(using)
        if connection.in_atomic_block:
            transaction.on_commit(lambda: log_failures(self._finish(row.pk)), using=using, robust=True)
            return DeliveryReport(deferred=True)
        if not connection.get_autocommit():
            return DeliveryReport(deferred=True)  # numbered and sent by whoever comes after the commit
        return self._finish(row.pk)

    def _finish(self, pk: int) -> DeliveryReport:
        """Number and send the message, which is committed: a busy database cannot take it back."""
        try:
            numbered = number_messages(self.channel_name)
            place = next((message for message in numbered if message.pk == pk), None) or place_of(pk)
        except OperationalError:
            logger.exception("Message %d of channel %r is saved; it is sent later.", pk, self.channel_name)
            return DeliveryReport(deferred=True)
        for other in numbered:
            if other.pk != pk and _is_abandoned(other):
                log_failures(self._send(_read_body(other), other))
        report = DeliveryReport() if place is None else self._send(self.body, place)
        _trim_if_due(self.channel_name, numbered)
        return report

    def _send(self, body: bytes, place: Numbered) -> DeliveryReport:
        if not self.enqueue:
            return _send(self.channel_name, body, place, self.posting)
        data = _envelope(self.channel_name, body, place)
        run = runs.enqueue_run(
            data, channel=self.channel_name, max_per_second=self.posting.options.max_per_second
        )
        return DeliveryReport(deferred=True, run=run.pk, epoch=place.epoch, offset=place.offset)


def _send(channel_name: str, body: bytes, place: Numbered, posting: Posting) -> DeliveryReport:
    """Send a numbered message. Its recipients are looked up now: whoever joins later reads it as history."""
    audience = audience_of_channel(channel_name)
    using = router.db_for_write(WebSocketSession)
    report = posting.send(partial(_envelope, channel_name, body, place), audience, using)
    return replace(report, epoch=place.epoch, offset=place.offset)


def _envelope(channel_name: str, body: bytes, place: Numbered, seconds: float = 0.0) -> bytes:
    spread = {"wait": min(round(seconds), _LONGEST_WAIT_SECONDS)} if seconds > _LONG_SECONDS else {}
    return in_envelope(body, channel=channel_name, epoch=place.epoch, offset=place.offset, **spread)


def _is_abandoned(message: Numbered) -> bool:
    return timezone.now() - message.created_on > ABANDONED_AFTER


def _read_body(message: Numbered) -> bytes:
    using = router.db_for_write(ChannelMessage)
    body = ChannelMessage.objects.using(using).values_list("body", flat=True).get(pk=message.pk)
    return bytes(body)


def _trim_if_due(channel_name: str, numbered: list[Numbered]) -> None:
    for message in numbered:
        if message.offset % TRIM_EVERY == 0:
            try:
                trim(channel_name, message.offset)
            except OperationalError:  # the next one, or the purge, does it
                logger.warning("The history of channel %r could not be trimmed.", channel_name)
