"""`broadcast`: send one message to a channel, a user or everyone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.management import arguments
from websocket_gateway.management.audience import (
    Audience,
    MessageArguments,
    add_message_arguments,
    read_audience_and_message,
)
from websocket_gateway.management.base import GatewayCommand, status_of
from websocket_gateway.management.delivery import (
    delivery_progress,
    how_to_continue,
    refuse_resuming,
    render_report,
)
from websocket_gateway.management.failures import failures_written_to, refuse_same_file
from websocket_gateway.management.queued import QueuedBroadcasts, add_queue_arguments, end_with
from websocket_gateway.models import BroadcastRun
from websocket_gateway.sending import DeliveryReport, SendOptions, broadcast
from websocket_gateway.sending.audience import find_audience
from websocket_gateway.sending.delivery import ENGINES
from websocket_gateway.sending.records import started_in
from websocket_gateway.sending.reports import DeliveryInterruptedError


class Command(GatewayCommand):
    """Send JSON to the open connections of a channel, of a user, or of everyone."""

    help = "Send a JSON message to the connections of a channel or of a user, or to all connections."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        add_message_arguments(parser)
        parser.add_argument(
            "--failures-to", metavar="FILE", help="Write every failed recipient to this file, as JSON lines."
        )
        parser.add_argument("--engine", choices=ENGINES, help="The engine that sends; overrides SEND_ENGINE.")
        parser.add_argument(
            "--concurrency",
            type=arguments.positive_int,
            metavar="N",
            help="Maximum number of parallel posts; overrides SEND_CONCURRENCY.",
        )
        parser.add_argument(
            "--max-per-second",
            type=arguments.pace,
            metavar="N",
            help="Maximum number of posts per second, 0 for no limit; overrides SEND_MAX_PER_SECOND.",
        )
        parser.add_argument(
            "--resume-after",
            type=arguments.positive_int,
            metavar="KEY",
            help="Send only to sessions with a higher primary key: the one that a broadcast has named.",
        )
        add_queue_arguments(parser)
        self.add_format_argument(parser)

    @started_in(BroadcastRun.Origin.COMMAND)
    def handle(
        self,
        *args: object,
        status: int | None,
        resume: int | None,
        cancel: int | None,
        enqueue: bool,
        wait: bool,
        **options: Any,
    ) -> None:
        """Send, or enqueue, and print the report; or act on an enqueued broadcast."""
        message = MessageArguments.from_options(options)
        queued = QueuedBroadcasts(self, output_format=options["format"], wait=wait)
        if (status, resume, cancel) != (None, None, None):
            queued.act_on(status=status, resume=resume, cancel=cancel, enqueue=enqueue, message=message)
        elif enqueue:
            _refuse_options_of_workers(options)
            audience, data, words = read_audience_and_message(message)
            queued.start(data, audience, words, max_per_second=options["max_per_second"])
        elif wait:
            raise CommandError("--wait requires --enqueue, --status or --resume.", returncode=2)
        else:
            refuse_same_file(options["failures_to"], options["only_from"])
            sender = SendOptions(
                engine=options["engine"],
                concurrency=options["concurrency"],
                max_per_second=options["max_per_second"],
                resume_after=options["resume_after"] or 0,
            )
            self._send(message, sender, failures_to=options["failures_to"], output_format=options["format"])

    def _send(
        self, message: MessageArguments, sender: SendOptions, *, failures_to: str | None, output_format: str
    ) -> None:
        audience, data, words = read_audience_and_message(message)
        if sender.resume_after:
            refuse_resuming(audience)
        report, stopped = self._report(data, audience, sender, failures_to)
        self.stdout.write(
            render_report(report, audience=words, output_format=output_format, interrupted=bool(stopped))
        )
        if isinstance(stopped, KeyboardInterrupt):
            raise CommandError("Interrupted; the rest was not sent.", returncode=status_of(stopped))
        if stopped is not None:
            words = f"{stopped} {how_to_continue(audience, stopped)}"
            raise CommandError(words, returncode=3 if report.delivered else 1)
        listed = len(audience.get("connection_ids", ()))
        if report.recipients < listed:
            self.stderr.write(f"{listed - report.recipients} of {listed} are no longer connected.")
        end_with(report)

    def _report(
        self, data: bytes, audience: Audience, sender: SendOptions, failures_to: str | None
    ) -> tuple[DeliveryReport, KeyboardInterrupt | DeliveryInterruptedError | None]:
        """Send. Return the report, and what has stopped the delivery: Ctrl-C, a signal, the database."""
        latest = DeliveryReport()

        def remember(report: DeliveryReport) -> None:
            nonlocal latest
            latest = report
            show(report)

        with (
            failures_written_to(failures_to, self.stderr.write) as write,
            delivery_progress(find_audience(**audience).count, self.stderr.write) as show,
        ):
            try:
                report = broadcast(data, **audience, options=sender, on_progress=remember, on_failure=write)
                return report, None
            except KeyboardInterrupt as exc:
                return latest, exc
            except DeliveryInterruptedError as exc:
                return exc.report, exc


def _refuse_options_of_workers(options: Mapping[str, object]) -> None:
    for name in ("engine", "concurrency", "failures_to", "only_from", "resume_after"):
        if options[name] is not None:
            raise CommandError(
                f"--{name.replace('_', '-')} cannot be used with --enqueue: the workers of the queue send, "
                "with their own settings.",
                returncode=2,
            )
