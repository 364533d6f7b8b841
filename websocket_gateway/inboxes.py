"""Inboxes: the channel that belongs to one user.

A channel is an inbox if its name begins with `user_` and `CHANNELS` gives it `ACKS`. No project rule lets
another user in, so the name must belong to exactly one user, whatever the type of the primary key is.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from django.core.exceptions import PermissionDenied
from django.db.models import Model

from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH

PREFIX: Final = "user_"


def name_inbox(user_id: object) -> str:
    """The channel name of a user's inbox: `user_7` for the primary key 7.

    Each character except ASCII letters, digits and `-` becomes `_` and the hexadecimal digits of its UTF-8
    bytes: `user_ada_40example_2ecom`. A name that would become too long has a hash instead, after `__`,
    which no escaped name contains.
    """
    name = PREFIX + re.sub(r"[^A-Za-z0-9-]", _escape, str(user_id))
    if len(name) <= CHANNEL_NAME_MAX_LENGTH:
        return name
    return f"{PREFIX}_{hashlib.sha256(str(user_id).encode()).hexdigest()}"


def is_inbox(channel_name: str) -> bool:
    """Whether a channel belongs to one user."""
    return channel_name.startswith(PREFIX) and get_settings().channel_options(channel_name).acks


def is_foreign_inbox(channel_name: str, user_id: object) -> bool:
    """Whether a channel is the inbox of another user; `user_id` is None for an anonymous one."""
    return is_inbox(channel_name) and (user_id is None or channel_name != name_inbox(user_id))


def refuse_foreign_inbox(channel_name: str, user_id: object) -> None:
    """Raise `PermissionDenied` for the inbox of another user."""
    if is_foreign_inbox(channel_name, user_id):
        raise PermissionDenied(f"{channel_name!r} is the inbox of another user.")


def require_inbox(user: object) -> str:
    """The channel of a user's inbox.

    Raises `TypeError` for several users, `ValueError` for a user without a primary key, such as an
    anonymous one, and `ConfigurationError` if `CHANNELS` does not declare inboxes.
    """
    if not isinstance(user, Model) and not hasattr(user, "is_authenticated"):
        raise TypeError(f"An inbox belongs to one user, not to {type(user).__name__}: call it for each user.")
    user_id = getattr(user, "pk", None)
    if user_id is None:
        raise ValueError(f"{user!r} is not in the database, so it has no inbox.")
    name = name_inbox(user_id)
    if not is_inbox(name):
        raise ConfigurationError(
            f"The channel {name!r} is not an inbox. Declare inboxes: "
            'WEBSOCKET_GATEWAY["CHANNELS"] = {"user_*": {"HISTORY_MESSAGES": 200, "HISTORY_SECONDS": 2592000,'
            ' "ACKS": True}}.'
        )
    return name


def build_inbox_config(user: object) -> dict[str, str]:
    """The name of the user's inbox for the browser client; empty without one."""
    if not any(options.acks for _, options in get_settings().channels):
        return {}  # a lazy user is not loaded for nothing
    user_id = getattr(user, "pk", None)
    if user_id is None or not getattr(user, "is_authenticated", False):
        return {}
    name = name_inbox(user_id)
    return {"inbox": name} if is_inbox(name) else {}


def _escape(found: re.Match[str]) -> str:
    return "".join(f"_{byte:02x}" for byte in found[0].encode(errors="surrogatepass"))
