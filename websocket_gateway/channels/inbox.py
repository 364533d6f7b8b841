"""The inbox of a user, for views and other code of a project: what is unread, on all devices together.

`broadcast(message, user=user, inbox=True)` puts a message into it.
"""

from __future__ import annotations

from collections.abc import Iterable

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser

from websocket_gateway.channels.cursors import move_cursor
from websocket_gateway.channels.heads import read_heads
from websocket_gateway.concurrency import run_after_commit
from websocket_gateway.inboxes import require_inbox
from websocket_gateway.models import ChannelCursor


def channel(user: AbstractBaseUser) -> str:
    """The name of the user's inbox, for `channels.history`. No query.

    Raises `ValueError` for an anonymous user, and `ConfigurationError` if `CHANNELS` declares no inboxes.
    """
    return require_inbox(user)


def unread(user: AbstractBaseUser) -> int:
    """How many messages the user has not acknowledged and can still get. One query. Raises like `channel`."""
    return unread_of([user])[user.pk]


def unread_of(users: Iterable[AbstractBaseUser]) -> dict[object, int]:
    """`unread` of several users, by primary key. One query. Raises like `channel`."""
    names = {user.pk: require_inbox(user) for user in users}
    heads = read_heads(list(names.values()), readers=list(names)) if names else {}
    return {pk: heads[name].unread for pk, name in names.items()}


def acknowledge(user: AbstractBaseUser, offset: int | None = None) -> bool:
    """Mark everything up to `offset` as read, by default all; False if it was already.

    The pages of the user that are open are told, after the commit of a surrounding transaction. Raises like
    `channel`, and `ValueError` for an offset beyond the latest message.
    """
    name = require_inbox(user)
    head = read_heads([name], readers=[user.pk])[name]
    if offset is None:
        offset = head.last_offset
    if offset > head.last_offset:
        raise ValueError(f"The latest message of {name!r} has the offset {head.last_offset}, not {offset!r}.")
    if not move_cursor(user.pk, name, head, offset):
        return False
    from websocket_gateway.sending.acknowledging import tell_acked  # with the code that calls AWS

    run_after_commit(lambda: tell_acked(user.pk, [name]), model=ChannelCursor)
    return True


async def aunread(user: AbstractBaseUser) -> int:
    """`unread`, from `async def`."""
    return await sync_to_async(unread)(user)


async def aunread_of(users: Iterable[AbstractBaseUser]) -> dict[object, int]:
    """`unread_of`, from `async def`."""
    return await sync_to_async(unread_of)(users)


async def aacknowledge(user: AbstractBaseUser, offset: int | None = None) -> bool:
    """`acknowledge`, from `async def`."""
    return await sync_to_async(acknowledge)(user, offset)
