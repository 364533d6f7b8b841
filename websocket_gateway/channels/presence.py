"""Who is in a channel with presence, for views and other code of a project.

Each function raises `ConfigurationError` if `CHANNELS` gives the channel no presence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from websocket_gateway.channels.members import (
    has_presence,
    is_member,
    member_of_user,
    present_members,
    recently_left,
)
from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ChannelMember

GRACE = timedelta(seconds=10)
"""For so long a page shows a member who left, as the client's `presenceGraceMs` has it: a page that is loaded
again comes back."""
SNAPSHOT_MEMBERS = 100

_COLUMNS = ("member", "info", "since", "generation", "left_on")


@dataclass(frozen=True, slots=True)
class Member:
    """A member who is in a channel."""

    id: str
    info: dict[str, object]
    since: datetime
    generation: int = 0
    """Grows with each join and leave; the client compares it with what is pushed."""
    left_on: datetime | None = None
    """When the member left; only in a `snapshot`, and only for 10 seconds."""


class Snapshot(list[Member]):
    """The members of a channel at the time at which a page is rendered."""

    def __init__(self, members: Iterable[Member], total: int) -> None:
        super().__init__(members)
        self.total = total
        """The number of members, also of those that are not in the list because there are too many."""

    def as_dict(self) -> dict[str, object]:
        """The state with which the client of the page begins, in the form of an answer to its question."""
        members = [
            {"id": one.id, "info": one.info, "v": one.generation, **({"left": True} if one.left_on else {})}
            for one in self
        ]
        return {"count": self.total, "members": members, "more": self.total > len(self)}


def snapshot(channel_names: Collection[str]) -> dict[str, Snapshot]:
    """Up to 100 members of each channel, for a page that shows them: `{% websocket_client members=... %}`.

    Contains those who left in the last 10 seconds, as the pages of the others show them: the user of this
    page may have loaded it again. A query for each channel, and one more; two more for a channel with more
    than 100 members.
    """
    for name in channel_names:
        _require_presence(name)
    if not channel_names:
        return {}
    rows = recently_left(channel_names, since=timezone.now() - GRACE).values_list("channel_name", *_COLUMNS)
    left: dict[str, list[Member]] = defaultdict(list)
    for name, *values in retry_when_busy(lambda: list(rows[:SNAPSHOT_MEMBERS]), model=ChannelMember):
        left[name].append(Member(*values))
    found: dict[str, Snapshot] = {}
    for name in channel_names:
        here = _read(name, SNAPSHOT_MEMBERS + 1)
        # Those who left were read first: a member who has come back meanwhile is among those who are here.
        gone = [member for member in left[name] if member.id not in {one.id for one in here}]
        is_large = len(here) > SNAPSHOT_MEMBERS
        total = count(name) if is_large else len(here) + len(gone)
        found[name] = Snapshot(here[:SNAPSHOT_MEMBERS] if is_large else here + gone, total)
    return found


def members(channel_name: str, *, limit: int | None = 100) -> list[Member]:
    """The members of a channel, up to `limit` (None for all), in the order of their first visit. One query.

    Raises `ValueError` for a `limit` below 1.
    """
    _require_presence(channel_name)
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be 1 or above, not {limit!r}.")
    return _read(channel_name, limit)


def count(channel_name: str) -> int:
    """The number of members of a channel. One query."""
    _require_presence(channel_name)
    return retry_when_busy(present_members(channel_name).count, model=ChannelMember)


def is_present(user: AbstractBaseUser | str, channel_name: str) -> bool:
    """Whether a user is in a channel; a string is what the hook `presence_member` returns. One query."""
    _require_presence(channel_name)
    return is_member(user if isinstance(user, str) else member_of_user(user.pk), channel_name)


async def asnapshot(channel_names: Collection[str]) -> dict[str, Snapshot]:
    """`snapshot`, from `async def`."""
    return await sync_to_async(snapshot)(channel_names)


async def amembers(channel_name: str, *, limit: int | None = 100) -> list[Member]:
    """`members`, from `async def`."""
    return await sync_to_async(members)(channel_name, limit=limit)


async def acount(channel_name: str) -> int:
    """`count`, from `async def`."""
    return await sync_to_async(count)(channel_name)


async def ais_present(user: AbstractBaseUser | str, channel_name: str) -> bool:
    """`is_present`, from `async def`."""
    return await sync_to_async(is_present)(user, channel_name)


def _read(channel_name: str, limit: int | None) -> list[Member]:
    rows = present_members(channel_name).order_by("pk").values_list(*_COLUMNS)[:limit]
    return [Member(*row) for row in retry_when_busy(lambda: list(rows), model=ChannelMember)]


def _require_presence(channel_name: str) -> None:
    if not has_presence(channel_name):
        raise ConfigurationError(
            f"The channel {channel_name!r} has no presence. Give it one: "
            f'WEBSOCKET_GATEWAY["CHANNELS"] = {{{channel_name!r}: {{"PRESENCE": True}}}}.'
        )
