"""`broadcast`: one message to a channel, a user or everyone."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.management import arguments
from websocket_gateway.management.audience import (
    MESSAGE_ARGUMENTS,
    add_message_arguments,
    read_audience_and_message,
)
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.management.delivery import render_report
from websocket_gateway.management.failures import failures_written_to, refuse_same_file
from websocket_gateway.management.progress import delivery_progress
from websocket_gateway.management.queued import QueuedBroadcasts, add_queue_arguments, end_with
from websocket_gateway.sending import DeliveryReport, SendOptions, broadcast
from websocket_gateway.sending.broadcasting import find_audience
from websocket_gateway.sending.delivery import ENGINES


class Command(GatewayCommand):
    """Send JSON to the open connections of a channel, of a user, or of everyone."""

    help = "Send a JSON message to the connections of a channel, of a user, or to all."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what `handle` takes."""
        add_message_arguments(parser)
        parser.add_argument(
            "--failures-to", metavar="FILE", help="Write every failed recipient to this file, as JSON lines."
        )
        parser.add_argument("--engine", choices=ENGINES, help="What posts; instead of SEND_ENGINE.")
        parser.add_argument(
            "--concurrency",
            type=arguments.positive_int,
            metavar="N",
            help="Posts under way at a time; instead of SEND_CONCURRENCY.",
        )
        parser.add_argument(
            "--max-per-second",
            type=arguments.pace,
            metavar="N",
            help="Posts a second, 0 for no limit; instead of SEND_MAX_PER_SECOND.",
        )
        add_queue_arguments(parser)
        self.add_format_argument(parser)

    def handle(
        self,
        *args: Any,
        status: int | None,
        resume: int | None,
        cancel: int | None,
        enqueue: bool,
        wait: bool,
        **options: Any,
    ) -> None:
        """Send, or have the task queue send, and report; or look after a broadcast of the queue."""
        message = {name: options[name] for name in MESSAGE_ARGUMENTS}
        queued = QueuedBroadcasts(self, output_format=options["format"], wait=wait)
        if (status, resume, cancel) != (None, None, None):
            queued.look_after(status=status, resume=resume, cancel=cancel, enqueue=enqueue, message=message)
        elif enqueue:
            _refuse_senders_options(options)
            whom, data, words = read_audience_and_message(**message)
            queued.start(data, whom, words, max_per_second=options["max_per_second"])
        elif wait:
            raise CommandError("--wait goes with --enqueue, --status or --resume.", returncode=2)
        else:
            refuse_same_file(options["failures_to"], options["only_from"])
            self._send(*read_audience_and_message(**message), options)

    def _send(self, whom: dict[str, Any], data: bytes, words: str, options: dict[str, Any]) -> None:
        how = SendOptions(**{name: options[name] for name in ("engine", "concurrency", "max_per_second")})
        report, interrupted = self._report(data, whom, how, options["failures_to"])
        rendered = render_report(
            report, audience=words, output_format=options["format"], interrupted=interrupted
        )
        self.stdout.write(rendered)
        listed = len(whom.get("connection_ids", ()))
        if report.recipients < listed and not interrupted:
            self.stderr.write(f"{listed - report.recipients} of {listed} are no longer connected.")
        end_with(report, "Interrupted; the rest was not sent." if interrupted else "")

    def _report(
        self, data: bytes, whom: dict[str, Any], how: SendOptions, failures_to: str | None
    ) -> tuple[DeliveryReport, bool]:
        """The report, complete or up to where the user pressed Ctrl-C, and whether that was so."""
        latest = DeliveryReport()

        def remember(report: DeliveryReport) -> None:
            nonlocal latest
            latest = report
            show(report)

        with (
            failures_written_to(failures_to) as write,
            delivery_progress(find_audience(**whom).count, self.stderr.write) as show,
        ):
            try:
                return broadcast(data, **whom, options=how, on_progress=remember, on_failure=write), False
            except KeyboardInterrupt:
                return latest, True


def _refuse_senders_options(options: dict[str, Any]) -> None:
    for name in ("engine", "concurrency", "failures_to", "only_from"):
        if options[name] is not None:
            raise CommandError(
                f"--{name.replace('_', '-')} does not go with --enqueue: the queue's workers send, "
                "as their own settings say.",
                returncode=2,
            )
