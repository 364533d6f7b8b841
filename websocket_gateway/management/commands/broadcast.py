"""`broadcast`: one message to a channel, a user or everyone."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.management import arguments
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.management.delivery import delivery_bar, render_report
from websocket_gateway.management.message_input import NOT_GIVEN, read_message
from websocket_gateway.services.broadcasting import DeliveryReport, broadcast, find_audience
from websocket_gateway.services.messages import encode_json
from websocket_gateway.services.recipients import find_user

# No channel begins like this, but every JSON object, list and string does.
_JSON_BEGINS = ("{", "[", '"')


class Command(GatewayCommand):
    """Send JSON to the open connections of a channel, of a user, or of everyone."""

    help = "Send a JSON message to the connections of a channel, of a user, or to all."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what `handle` takes."""
        parser.add_argument("channel", nargs="?", help="The channel, unless --user or --all is given.")
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
        parser.add_argument(
            "--all", action="store_true", dest="everyone", help="Send to every open connection."
        )
        self.add_format_argument(parser)

    def handle(
        self,
        *args: Any,
        channel: str | None,
        message: Any,
        payload: Any,
        file: str | None,
        user: str | None,
        everyone: bool,
        **options: Any,
    ) -> None:
        """Send, and report."""
        if (user is not None or everyone) and message is NOT_GIVEN and _looks_like_json(channel):
            channel, message = None, _typed(arguments.json_message, channel)
        whom = _whom(channel, user, everyone)
        data = encode_json(read_message(argument=message, option=payload, file=file))
        report, interrupted = self._send(data, whom)
        words = "everyone" if everyone else f"channel {channel!r}" if user is None else f"user {user!r}"
        self.stdout.write(render_report(report, audience=words, output_format=options["format"]))
        self._end(report, interrupted)

    def _send(self, data: bytes, whom: dict[str, Any]) -> tuple[DeliveryReport, bool]:
        """The report, complete or up to where the user pressed Ctrl-C, and whether that was so."""
        latest = DeliveryReport()

        def remember(report: DeliveryReport) -> None:
            nonlocal latest
            latest = report
            show(report)

        with delivery_bar(find_audience(**whom).count) as show:
            try:
                return broadcast(data, **whom, on_progress=remember), False
            except KeyboardInterrupt:
                return latest, True

    def _end(self, report: DeliveryReport, interrupted: bool) -> None:
        if interrupted:
            raise CommandError("Interrupted; the rest was not sent.", returncode=130)
        if report.failed:
            raise CommandError(
                f"{report.failed} of {report.recipients} recipients did not get the message.",
                returncode=3 if report.delivered else 1,
            )


def _looks_like_json(word: str | None) -> bool:
    return word is not None and word.startswith(_JSON_BEGINS)


def _whom(channel: str | None, user: str | None, everyone: bool) -> dict[str, Any]:
    if (channel is not None) + (user is not None) + everyone != 1:
        raise CommandError("Give one of: a channel, --user NAME, --all.", returncode=2)
    if channel is not None:
        return {"channel": _typed(arguments.channel_name, channel)}
    return {"everyone": True} if user is None else {"user": find_user(user)}


def _typed(parse: Callable[[str], Any], value: Any) -> Any:
    try:
        return parse(value)
    except ArgumentTypeError as exc:
        raise CommandError(str(exc), returncode=2) from exc
