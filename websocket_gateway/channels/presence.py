"""Who is in a channel with presence, for views and other code of a project.

Each function raises `ConfigurationError` if `CHANNELS` gives the channel no presence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser

from websocket_gateway.channels.members import (
    has_presence,
    is_member,
    member_of_user,
    present_members,
)
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ChannelMember


@dataclass(frozen=True, slots=True)
class Member:
    """A member who is in a channel."""

    id: str
    info: dict[str, object]
    since: datetime


def members(channel_name: str, *, limit: int | None = 100) -> list[Member]:
    """The members of a channel, up to `limit` (None for all), in the order of their first visit. One query.

    Raises `ValueError` for a `limit` below 1.
    """
    _require_presence(channel_name)
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be 1 or above, not {limit!r}.")
    rows = present_members(channel_name).order_by("pk").values_list("member", "info", "since")[:limit]
    return [Member(*row) for row in retry_when_busy(lambda: list(rows), model=ChannelMember)]


def count(channel_name: str) -> int:
    """The number of members of a channel. One query."""
    _require_presence(channel_name)
    return retry_when_busy(present_members(channel_name).count, model=ChannelMember)


def is_present(user: AbstractBaseUser | str, channel_name: str) -> bool:
    """Whether a user is in a channel; a string is what the hook `presence_member` returns. One query."""
    _require_presence(channel_name)
    return is_member(user if isinstance(user, str) else member_of_user(user.pk), channel_name)


async def amembers(channel_name: str, *, limit: int | None = 100) -> list[Member]:
    """`members`, from `async def`."""
    return await sync_to_async(members)(channel_name, limit=limit)


async def acount(channel_name: str) -> int:
    """`count`, from `async def`."""
    return await sync_to_async(count)(channel_name)


async def ais_present(user: AbstractBaseUser | str, channel_name: str) -> bool:
    """`is_present`, from `async def`."""
    return await sync_to_async(is_present)(user, channel_name)


def _require_presence(channel_name: str) -> None:
    if not has_presence(channel_name):
        raise ConfigurationError(
            f"The channel {channel_name!r} has no presence. Give it one: "
            f'WEBSOCKET_GATEWAY["CHANNELS"] = {{{channel_name!r}: {{"PRESENCE": True}}}}.'
        )
