"""The arguments that name the recipients of a message and the message itself, and their values."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import TypedDict, TypeVar

from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import CommandError, CommandParser

from websocket_gateway.frames import encode_json
from websocket_gateway.inboxes import require_inbox
from websocket_gateway.management import arguments
from websocket_gateway.management.failures import read_failures
from websocket_gateway.management.message_input import NOT_GIVEN, read_message
from websocket_gateway.sending.audience import describe_audience, find_user

Value = TypeVar("Value")

# No channel name starts like this, but every JSON object, list and string does.
_JSON_STARTS = ("{", "[", '"')


class Audience(TypedDict, total=False):
    """The keyword argument of `broadcast` that selects the recipients."""

    channel: str
    user: AbstractBaseUser
    everyone: bool
    connection_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageArguments:
    """The values of the arguments that `add_message_arguments` adds."""

    channel: str | None
    message: object
    payload: object
    file: str | None
    user: str | None
    inbox: bool
    everyone: bool
    only_from: str | None

    @classmethod
    def from_options(cls, options: Mapping[str, object]) -> MessageArguments:
        """Select the values from the options of a command."""
        return cls(**{item.name: options[item.name] for item in fields(cls)})  # type: ignore[arg-type]

    @property
    def given(self) -> bool:
        """Whether any of the arguments was given."""
        return any(getattr(self, item.name) not in (None, False, NOT_GIVEN) for item in fields(self))


def add_message_arguments(parser: CommandParser) -> None:
    """Add the arguments for the recipients and for the message."""
    parser.add_argument("channel", nargs="?", help="The channel, unless an option selects other recipients.")
    parser.add_argument(
        "message",
        nargs="?",
        default=NOT_GIVEN,
        type=arguments.json_message,
        help="The message as JSON. Without it, --message or --file, the message is read from stdin.",
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
    parser.add_argument(
        "--inbox",
        action="store_true",
        help="With --user: save the message in the user's inbox until it is acknowledged.",
    )
    parser.add_argument("--all", action="store_true", dest="everyone", help="Send to every open connection.")
    parser.add_argument(
        "--only-from",
        metavar="FILE",
        help="Send to the connections listed in this file, which --failures-to wrote.",
    )


def read_audience_and_message(given: MessageArguments) -> tuple[Audience, bytes, str]:
    """Return the audience, the bytes of the message, and the audience in words."""
    channel, message = given.channel, given.message
    elsewhere = given.user is not None or given.everyone or given.only_from
    if elsewhere and message is NOT_GIVEN and channel is not None and channel.startswith(_JSON_STARTS):
        message, channel = _parsed(arguments.json_message, channel), None
    audience, words = _audience(channel, given.user, given.everyone, given.only_from)
    if given.inbox:
        audience, words = _inbox(audience), f"inbox of {words}"
    value = read_message(argument=message, option=given.payload, file=given.file)
    return audience, encode_json(value), words


def _audience(
    channel: str | None, user: str | None, everyone: bool, only_from: str | None
) -> tuple[Audience, str]:
    if (channel is not None) + (user is not None) + everyone + (only_from is not None) != 1:
        raise CommandError("Give one of: a channel, --user NAME, --all, --only-from FILE.", returncode=2)
    if channel is not None:
        return {"channel": _parsed(arguments.channel_name, channel)}, describe_audience(channel=channel)
    if only_from is not None:
        return {"connection_ids": read_failures(only_from)}, f"the connections in {only_from}"
    audience: Audience = {"everyone": True} if user is None else {"user": find_user(user)}
    return audience, describe_audience(user=user)


def _inbox(audience: Audience) -> Audience:
    """The channel of a user's inbox, in place of the user's connections."""
    if "user" not in audience:
        raise CommandError("--inbox needs --user NAME.", returncode=2)
    return {"channel": require_inbox(audience["user"])}


def _parsed(parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ArgumentTypeError as exc:
        raise CommandError(str(exc), returncode=2) from exc
