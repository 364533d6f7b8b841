"""Saves a message of a channel with a history, and finds its place once it is committed."""

from __future__ import annotations

from functools import partial

from django.db import router
from django.utils import timezone

from websocket_gateway.channels.envelopes import encode_body, encode_for_channel, in_envelope
from websocket_gateway.channels.history import has_history
from websocket_gateway.channels.numbering import ABANDONED_AFTER, Numbered, number_and_find
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.models import ChannelMessage

_LONG_SECONDS = 5
"""Sending that takes longer is announced in the message: clients wait so long before they recover."""
_LONGEST_WAIT_SECONDS = 900


def save_message(body: bytes, channel_name: str) -> ChannelMessage:
    """Insert a message without an offset, in the caller's transaction if there is one."""
    using = router.db_for_write(ChannelMessage)
    row = ChannelMessage(channel_name=channel_name, body=body)
    retry_when_busy(partial(row.save, force_insert=True, using=using), model=ChannelMessage, using=using)
    return row


def addressed(message: object, channel_name: str) -> bytes:
    """The bytes for the recipients of a channel. With a history, the message is published at once.

    Raises `InvalidMessageError`.
    """
    if not has_history(channel_name):
        return encode_for_channel(message, channel_name)
    body = encode_body(message, channel_name)
    row = save_message(body, channel_name)
    place = number_and_find(channel_name, row.pk)[1]
    if place is None:
        raise LookupError(f"Message {row.pk} of channel {channel_name!r} was deleted while it was published.")
    return envelope(body, channel_name, place)


def envelope(body: bytes, channel_name: str, place: Numbered, *, seconds: float = 0.0) -> bytes:
    """The message with its place, for an audience that is reached over so many seconds."""
    spread = {"wait": min(round(seconds), _LONGEST_WAIT_SECONDS)} if seconds > _LONG_SECONDS else {}
    return in_envelope(body, channel=channel_name, epoch=place.epoch, offset=place.offset, **spread)


def is_abandoned(message: Numbered) -> bool:
    """Whether a message waited so long for its offset that its publisher must be dead."""
    return timezone.now() - message.created_on > ABANDONED_AFTER


def read_body(message: Numbered) -> bytes:
    """The body of a message."""
    using = router.db_for_write(ChannelMessage)
    return bytes(ChannelMessage.objects.using(using).values_list("body", flat=True).get(pk=message.pk))
