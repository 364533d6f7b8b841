"""Whom a message is for and what it is: the arguments that say so, and what they mean."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.frames import encode_json
from websocket_gateway.management import arguments
from websocket_gateway.management.failures import read_failures
from websocket_gateway.management.message_input import NOT_GIVEN, read_message
from websocket_gateway.sending.audience import find_user

MESSAGE_ARGUMENTS = ("channel", "message", "payload", "file", "user", "everyone", "only_from")
"""What `read_audience_and_message` takes."""

# No channel begins like this, but every JSON object, list and string does.
_JSON_BEGINS = ("{", "[", '"')


def add_message_arguments(parser: CommandParser) -> None:
    """Add the channel and what stands in its place, the message and where else it may come from."""
    parser.add_argument("channel", nargs="?", help="The channel, unless another audience is given.")
    parser.add_argument(
        "message",
        nargs="?",
        default=NOT_GIVEN,
        type=arguments.json_message,
        help="The message as JSON. Without it, --message or --file, it is read from stdin.",
    )
    parser.add_argument(
        "--message",
        dest="payload",
        default=NOT_GIVEN,
        metavar="JSON",
        type=arguments.json_message,
        help="The message as JSON, instead of the argument.",
    )
    parser.add_argument("--file", metavar="PATH", help="Read the message from this file; - is stdin.")
    parser.add_argument("--user", metavar="NAME", help="Send to the connections of this user.")
    parser.add_argument("--all", action="store_true", dest="everyone", help="Send to every open connection.")
    parser.add_argument(
        "--only-from",
        metavar="FILE",
        help="Send to the connections listed in this file, which --failures-to wrote.",
    )


def read_audience_and_message(
    *,
    channel: str | None,
    message: Any,
    payload: Any,
    file: str | None,
    user: str | None,
    everyone: bool,
    only_from: str | None,
) -> tuple[dict[str, Any], bytes, str]:
    """What `broadcast` takes to name the audience, the message's bytes, and the audience in words."""
    if (user is not None or everyone or only_from) and message is NOT_GIVEN and _looks_like_json(channel):
        channel, message = None, _typed(arguments.json_message, channel)
    whom, words = _whom(channel, user, everyone, only_from)
    return whom, encode_json(read_message(argument=message, option=payload, file=file)), words


def _looks_like_json(word: str | None) -> bool:
    return word is not None and word.startswith(_JSON_BEGINS)


def _whom(
    channel: str | None, user: str | None, everyone: bool, only_from: str | None
) -> tuple[dict[str, Any], str]:
    if (channel is not None) + (user is not None) + everyone + (only_from is not None) != 1:
        raise CommandError("Give one of: a channel, --user NAME, --all, --only-from FILE.", returncode=2)
    if channel is not None:
        return {"channel": _typed(arguments.channel_name, channel)}, f"channel {channel!r}"
    if only_from is not None:
        return {"connection_ids": read_failures(only_from)}, f"the connections in {only_from}"
    return ({"everyone": True}, "everyone") if user is None else ({"user": find_user(user)}, f"user {user!r}")


def _typed(parse: Callable[[str], Any], value: Any) -> Any:
    try:
        return parse(value)
    except ArgumentTypeError as exc:
        raise CommandError(str(exc), returncode=2) from exc
