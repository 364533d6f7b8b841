"""The history of a channel, for views and other code of a project.

Read the position of a channel before the state that a page shows. What is published in between is then
sent to the page again, never missed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from asgiref.sync import sync_to_async
from django.db import router, transaction

from websocket_gateway.channels.heads import read_heads
from websocket_gateway.channels.positions import Position, parse_since
from websocket_gateway.channels.reading import kept_messages
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import Channel, ChannelMessage
from websocket_gateway.models.channels import new_epoch
from websocket_gateway.validators import validate_channel_name

DEFAULT_LIMIT = 50


class ChannelPosition(TypedDict):
    """A position as JSON: pass it to a template or an API response."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message in the history of a channel."""

    offset: int
    data: dict[str, object]
    published_on: datetime


def has_history(channel_name: str) -> bool:
    """Whether `CHANNELS` gives the channel a history."""
    return get_settings().channel_options(channel_name).history_messages > 0


def position(channel_name: str) -> ChannelPosition:
    """The position after the latest message. One query.

    Raises `ConfigurationError` if `CHANNELS` gives the channel no history.
    """
    return positions([channel_name])[channel_name]


def positions(channel_names: Iterable[str]) -> dict[str, ChannelPosition]:
    """`position` of several channels, by name. One query."""
    names = list(channel_names)
    for name in names:
        _require_history(name)
    found = {name: head.position for name, head in read_heads(names).items()} if names else {}
    return {name: ChannelPosition(epoch=at.epoch, offset=at.offset) for name, at in found.items()}


def messages(
    channel_name: str,
    *,
    limit: int = DEFAULT_LIMIT,
    before: int | None = None,
    since: ChannelPosition | Mapping[str, object] | None = None,
) -> list[Message]:
    """Messages that clients can still get, ascending: the latest, those `before` an offset, or `since` one.

    `since` is a position; all messages come after the position of another epoch. Raises `ConfigurationError`
    if the channel has no history, `ValueError` for a `limit` below 1 or a malformed position, and `TypeError`
    if both `before` and `since` are given.
    """
    _require_history(channel_name)
    if limit < 1:
        raise ValueError(f"limit must be 1 or above, not {limit!r}.")
    if before is not None and since is not None:
        raise TypeError("Give before or since, not both.")
    head = read_heads([channel_name])[channel_name]
    kept = kept_messages(channel_name, head, before=before)
    fields = ("offset", "body", "created_on")
    if since is None:
        rows = list(kept.order_by("-offset").values_list(*fields)[:limit])[::-1]
    else:
        start = parse_since(since)
        if not isinstance(start, Position):
            raise ValueError(f"since must be a position with epoch and offset, not {since!r}.")
        after = start.offset if start.epoch == head.epoch else 0
        rows = list(kept.filter(offset__gt=after).order_by("offset").values_list(*fields)[:limit])
    return [Message(offset, json.loads(bytes(body)), created_on) for offset, body, created_on in rows]


def forget(channel_name: str) -> bool:
    """Delete the history of a channel and begin a new epoch; False if the channel has never had a message.

    Connected clients are told with the next message, or at their next heartbeat (`lost`, reason `epoch`).
    """
    validate_channel_name(channel_name)
    using = router.db_for_write(Channel)
    with transaction.atomic(using=using):
        channels = Channel.objects.using(using).filter(name=channel_name)
        # The counter first: its lock keeps publishers from numbering meanwhile.
        if not channels.update(epoch=new_epoch(), last_offset=0):
            return False
        ChannelMessage.objects.using(using).filter(channel_name=channel_name, offset__isnull=False).delete()
    return True


async def aposition(channel_name: str) -> ChannelPosition:
    """`position`, from `async def`."""
    return await sync_to_async(position)(channel_name)


async def apositions(channel_names: Iterable[str]) -> dict[str, ChannelPosition]:
    """`positions`, from `async def`."""
    return await sync_to_async(positions)(channel_names)


async def amessages(
    channel_name: str,
    *,
    limit: int = DEFAULT_LIMIT,
    before: int | None = None,
    since: ChannelPosition | Mapping[str, object] | None = None,
) -> list[Message]:
    """`messages`, from `async def`."""
    return await sync_to_async(messages)(channel_name, limit=limit, before=before, since=since)


async def aforget(channel_name: str) -> bool:
    """`forget`, from `async def`."""
    return await sync_to_async(forget)(channel_name)


def _require_history(channel_name: str) -> None:
    if not has_history(channel_name):
        raise ConfigurationError(
            f"The channel {channel_name!r} has no history. Give it one: "
            f'WEBSOCKET_GATEWAY["CHANNELS"] = {{{channel_name!r}: {{"HISTORY_MESSAGES": 1000}}}}.'
        )
