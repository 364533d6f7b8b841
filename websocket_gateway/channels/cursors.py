"""Moves the cursor of a user in a channel with `ACKS`: forward only, and never beyond the latest message."""

from __future__ import annotations

from typing import Any

from django.db import router
from django.db.models import Exists, Q
from django.utils import timezone

from websocket_gateway.channels.heads import Head
from websocket_gateway.concurrency import insert_unless_exists, retry_when_busy
from websocket_gateway.models import Channel, ChannelCursor


def move_cursor(user_id: Any, channel_name: str, head: Head, offset: int) -> bool:
    """Acknowledge everything up to `offset`; True if this call moved the cursor. At most two statements.

    `head` is what was read just now for this user, and `offset` is not beyond its `last_offset`. Of several
    calls at the same time the greatest offset stays, whatever their order is.
    """
    if offset <= head.acked:
        return False
    values = {"epoch": head.epoch, "acked_offset": offset, "updated_on": timezone.now()}
    row = ChannelCursor(user_id=user_id, channel_name=channel_name, **values)
    if not head.acked and insert_unless_exists(row):
        return True
    using = router.db_for_write(ChannelCursor)
    # Not one of another epoch, if that began since `head` was read.
    current = Exists(Channel.objects.filter(name=channel_name, epoch=head.epoch))
    behind = ChannelCursor.objects.using(using).filter(
        ~Q(epoch=head.epoch) | Q(acked_offset__lt=offset), current, user_id=user_id, channel_name=channel_name
    )
    return bool(retry_when_busy(lambda: behind.update(**values), model=ChannelCursor))
