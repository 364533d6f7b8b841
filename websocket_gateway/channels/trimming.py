"""Deletes what a reader can no longer get. `reading` never hands it out, so this only frees space."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import OperationalError, models, router

from websocket_gateway.channels.numbering import Numbered
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.conf import get_settings
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import Channel, ChannelMessage

logger = get_logger("websocket_gateway.channels")

TRIM_EVERY = 100
"""A publisher trims its channel at each of these offsets: it stays bounded without a scheduled purge."""
_TRIM_ROWS = 200
IDLE_AFTER = timedelta(days=30)
"""A channel without messages that was not used for so long is deleted; a new one has a new epoch."""


def trim_if_due(channel_name: str, numbered: Iterable[Numbered]) -> None:
    """Trim a channel if one of the messages numbered just now has an offset at which that is due."""
    for message in numbered:
        if message.offset % TRIM_EVERY == 0:
            try:
                trim(channel_name, message.offset)
            except OperationalError:  # the next one, or the purge, does it
                logger.warning(
                    "The history of channel %r could not be trimmed.",
                    channel_name,
                    extra={"event": "history_not_trimmed", "channel": channel_name},
                )


def trim(channel_name: str, last_offset: int) -> int:
    """Delete up to 200 messages beyond `HISTORY_MESSAGES`; returns their number."""
    beyond = messages_beyond(channel_name, last_offset).order_by("offset").values_list("pk", flat=True)
    keys = retry_when_busy(lambda: list(beyond[:_TRIM_ROWS]), model=ChannelMessage)
    rows = ChannelMessage.objects.using(router.db_for_write(ChannelMessage)).filter(pk__in=keys)
    return retry_when_busy(rows.delete, model=ChannelMessage)[0] if keys else 0


def messages_beyond(channel_name: str, last_offset: int) -> models.QuerySet[ChannelMessage]:
    """The messages that are not among the latest `HISTORY_MESSAGES`."""
    first_kept = get_settings().channel_options(channel_name).first_kept(last_offset)
    return ChannelMessage.objects.using(router.db_for_write(ChannelMessage)).filter(
        channel_name=channel_name, offset__lt=first_kept
    )


def idle_channels(now: datetime) -> models.QuerySet[Channel]:
    """The channels that were not used for 30 days and have no message."""
    messages = ChannelMessage.objects.filter(channel_name=models.OuterRef("name"))
    before = now - IDLE_AFTER
    unused = models.Q(published_on__lt=before) | models.Q(published_on=None, created_on__lt=before)
    return Channel.objects.filter(unused, ~models.Exists(messages))
