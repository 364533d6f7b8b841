"""Broadcasts of the task queue, from the command line: start, status, resume, cancel."""

from __future__ import annotations

from collections.abc import Callable

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from django.utils.translation import ngettext

from websocket_gateway.database_errors import describe_away, is_away
from websocket_gateway.exceptions import QueueUnavailableError
from websocket_gateway.management import arguments
from websocket_gateway.management.audience import Audience, MessageArguments
from websocket_gateway.management.base import status_of
from websocket_gateway.management.delivery import delivery_progress, render_run
from websocket_gateway.models import BroadcastRun
from websocket_gateway.sending import DeliveryReport, runs
from websocket_gateway.sending.summaries import find_run, summarize
from websocket_gateway.sending.worker import work_until_finished
from websocket_gateway.task_queue import background_backend, require_background_backend


def add_queue_arguments(parser: CommandParser) -> None:
    """Add the options that enqueue a broadcast, and those that act on an enqueued one."""
    parser.add_argument("--enqueue", action="store_true", help="Send through the task queue of the project.")
    parser.add_argument(
        "--wait",
        action="store_true",
        help="With --enqueue, --status or --resume: wait until it is finished, and send as well.",
    )
    for name, text in (
        ("status", "Show the status of broadcast ID. Requeues shards whose worker died."),
        ("resume", "Enqueue the unfinished shards of broadcast ID."),
        ("cancel", "Cancel broadcast ID. Messages that are being sent are completed."),
    ):
        parser.add_argument(f"--{name}", type=arguments.positive_int, metavar="ID", help=text)


def end_with(report: DeliveryReport) -> None:
    """End the command with the exit status for the report."""
    if report.failed:
        text = "%d of %d recipient did not get the message.", "%d of %d recipients did not get the message."
        missed = ngettext(*text, report.recipients) % (report.failed, report.recipients)
        raise CommandError(missed, returncode=3 if report.delivered else 1)


class QueuedBroadcasts:
    """The part of the command `broadcast` that uses the task queue."""

    def __init__(self, command: BaseCommand, *, output_format: str, wait: bool) -> None:
        self._command = command
        self._format = output_format
        self._wait = wait

    def start(self, data: bytes, audience: Audience, words: str, *, max_per_second: float | None) -> None:
        """Save a broadcast and enqueue it. Without a queue, it needs `--wait` and this process sends it."""
        queue = background_backend()
        if not self._wait:
            require_background_backend()
        channel, user = audience.get("channel"), audience.get("user")
        run = runs.create_run(data, channel=channel, user=user, max_per_second=max_per_second)
        if self._wait and run.recipients:  # first, so that it is known whatever happens then
            self._command.stderr.write(f"Broadcast {run.pk} to {words} is saved.")
        if queue is not None:
            self._enqueue(runs.enqueue_tasks, run.pk)
        if self._wait:
            self._wait_for(run.pk)
        elif self._format == "json":
            self._command.stdout.write(render_run(summarize(run.pk), output_format="json"))
        elif not run.recipients:
            self._command.stdout.write(f"No open connections ({words}): nothing was enqueued.")
        else:
            many = ngettext("%d recipient", "up to %d recipients", run.recipients) % run.recipients
            self._command.stdout.write(
                f"Enqueued broadcast {run.pk} to {words}, for {many}. "
                f"Show its status with: broadcast --status {run.pk}"
            )

    def act_on(
        self,
        *,
        status: int | None,
        resume: int | None,
        cancel: int | None,
        enqueue: bool,
        message: MessageArguments,
    ) -> None:
        """Show, resume or cancel the broadcast of that number."""
        numbers = [number for number in (status, resume, cancel) if number is not None]
        if len(numbers) > 1 or enqueue or message.given:
            raise CommandError(
                "Give one of --status ID, --resume ID and --cancel ID, without recipients and message.",
                returncode=2,
            )
        (number,) = numbers
        if cancel is not None:
            return self._cancel(number)
        if resume is not None and not (self._wait and background_backend() is None):
            self._resume(number)
        elif status is not None:
            find_run(number)
            try:
                runs.resume_expired_shards()
            except QueueUnavailableError as exc:
                self._command.stderr.write(str(exc))
        if self._wait:
            return self._wait_for(number)
        return self._command.stdout.write(render_run(summarize(number), output_format=self._format))

    def _enqueue(self, enqueue: Callable[[int], int], number: int) -> int:
        """Enqueue; where the queue is down and `--wait` is given, this process sends alone."""
        try:
            return enqueue(number)
        except QueueUnavailableError as exc:
            if not self._wait:
                if self._format == "json":
                    self._command.stdout.write(render_run(summarize(number), output_format="json"))
                raise
            self._command.stderr.write(f"{exc.__cause__ or exc} This process sends broadcast {number} alone.")
            return 0

    def _resume(self, number: int) -> None:
        if (tasks := self._enqueue(runs.resume_run, number)) == 0 and self._wait:
            return
        words = ngettext("Enqueued %d task.", "Enqueued %d tasks.", tasks) % tasks
        if not tasks:
            words = "Nothing to do: no shard is waiting for a worker."
        self._command.stderr.write(words)

    def _cancel(self, number: int) -> None:
        cancelled, summary = runs.cancel_run(number), summarize(number)
        if not cancelled:
            self._command.stderr.write(f"Nothing to do: it is {summary.run.get_state_display()} already.")
        self._command.stdout.write(render_run(summary, output_format=self._format))

    def _wait_for(self, number: int) -> None:
        expected = find_run(number).recipients
        how = f"resume it with: broadcast --resume {number}"
        interrupt: KeyboardInterrupt | None = None
        try:
            with delivery_progress(lambda: expected, self._command.stderr.write) as show:
                try:
                    work_until_finished(number, on_progress=show)
                except KeyboardInterrupt as exc:
                    interrupt = exc
            summary = summarize(number)
        except Error as exc:
            if not is_away(exc):
                raise
            raise CommandError(
                f"{describe_away(exc)}. Broadcast {number} is saved; {how} --wait", returncode=3
            ) from exc
        self._command.stdout.write(render_run(summary, output_format=self._format))
        if interrupt is not None:
            raise CommandError(f"Interrupted; {how}", returncode=status_of(interrupt))
        if summary.run.state == BroadcastRun.State.CANCELLED:
            raise CommandError(f"Broadcast {number} was cancelled.")
        end_with(summary.report)
