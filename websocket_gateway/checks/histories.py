"""Checks of `CHANNELS`, the channels with a history."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.core.checks import CheckMessage
from django.db import DEFAULT_DB_ALIAS, router

from websocket_gateway.checks.messages import warning
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ChannelMessage
from websocket_gateway.validators import CHANNEL_NAME_MAX_LENGTH
from websocket_gateway.views.routed import RoutedView, find_routed_views

_ENDS = ("", "a", "A", "1", "a1", "-a", "_a", ":a", ".a", "/a")
"""How names may continue after a prefix: a pattern fits if one of them does."""


def check_channel_patterns() -> Iterator[CheckMessage]:
    """A key of `CHANNELS` must fit names that some view accepts."""
    views = list(find_routed_views())
    for pattern, _options in get_settings().channels:
        prefix = pattern.removesuffix("*")
        names = [prefix + end for end in _ENDS] if pattern.endswith("*") else [pattern]
        if views and not any(_accepts(view, name) for view in views for name in names):
            yield warning(
                "W025",
                f'WEBSOCKET_GATEWAY["CHANNELS"]: {pattern!r} fits no channel name that a view accepts.',
                hint="Correct the name or the prefix, or CHANNEL_NAME_PATTERN of the view.",
            )


def check_history_database() -> Iterator[CheckMessage]:
    """Messages must be in the database of the project's data, to commit with it."""
    kept = [pattern for pattern, options in get_settings().channels if options.history_messages]
    alias = router.db_for_write(ChannelMessage)
    if kept and alias != DEFAULT_DB_ALIAS:
        yield warning(
            "W026",
            f"A database router puts the messages of channels into {alias!r}: they do not commit with "
            f"data in {DEFAULT_DB_ALIAS!r}, so a rollback there does not take a message back.",
            hint=f"Let the router put the app websocket_gateway into {DEFAULT_DB_ALIAS!r}, or publish inside "
            f"transaction.atomic(using={alias!r}).",
        )


def _accepts(view: RoutedView, name: str) -> bool:
    length = view.read("MAX_CHANNEL_NAME_LENGTH")
    try:
        fits = re.fullmatch(view.read("CHANNEL_NAME_PATTERN"), name) is not None
    except (re.error, TypeError):
        return True  # E007 reports the pattern
    return (
        bool(name) and fits and len(name) <= (length if isinstance(length, int) else CHANNEL_NAME_MAX_LENGTH)
    )
