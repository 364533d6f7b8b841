"""Broadcasts of the task queue, from the command line: begun, watched, helped along, cancelled."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from websocket_gateway.management import arguments
from websocket_gateway.management.delivery import render_run
from websocket_gateway.management.message_input import NOT_GIVEN
from websocket_gateway.management.progress import delivery_progress
from websocket_gateway.models import BroadcastRun
from websocket_gateway.sending import DeliveryReport, runs
from websocket_gateway.sending.summaries import summarize
from websocket_gateway.sending.worker import work_until_finished
from websocket_gateway.task_queue import background_backend


def add_queue_arguments(parser: CommandParser) -> None:
    """Add what hands a broadcast to the task queue, and what looks after one."""
    parser.add_argument("--enqueue", action="store_true", help="Have the project's task queue send it.")
    parser.add_argument(
        "--wait",
        action="store_true",
        help="Stay until it is finished, and send along; with --enqueue, --status or --resume.",
    )
    for name, text in (
        (
            "status",
            "Say how broadcast ID stands; where nobody works on what somebody died on, have that resumed.",
        ),
        ("resume", "Have the queue go on with broadcast ID."),
        ("cancel", "Stop broadcast ID after what is under way."),
    ):
        parser.add_argument(f"--{name}", type=arguments.positive_int, metavar="ID", help=text)


def end_with(report: DeliveryReport, interrupted: str = "") -> None:
    """End the command as its report says; `interrupted` is the message where Ctrl-C was pressed."""
    if interrupted:
        raise CommandError(interrupted, returncode=130)
    if report.failed:
        raise CommandError(
            f"{report.failed} of {report.recipients} recipients did not get the message.",
            returncode=3 if report.delivered else 1,
        )


class QueuedBroadcasts:
    """What `broadcast` does beside sending by itself."""

    def __init__(self, command: BaseCommand, *, output_format: str, wait: bool) -> None:
        self._command = command
        self._format = output_format
        self._wait = wait

    def start(self, data: bytes, whom: dict[str, Any], words: str, *, max_per_second: float | None) -> None:
        """Save a broadcast and enqueue it; without a queue it needs `--wait`, and is sent from here."""
        here_only = self._wait and background_backend() is None
        begin = runs.create_run if here_only else runs.enqueue_run
        run = begin(data, channel=whom.get("channel"), user=whom.get("user"), max_per_second=max_per_second)
        if self._wait:
            self._stay(run.pk)
        elif self._format == "json":
            self._command.stdout.write(render_run(summarize(run.pk), output_format="json"))
        elif not run.recipients:
            self._command.stdout.write(f"Nobody is connected ({words}): nothing was enqueued.")
        else:
            self._command.stdout.write(
                f"Enqueued broadcast {run.pk} to {words}, for up to {run.recipients} recipients. "
                f"How it goes: broadcast --status {run.pk}"
            )

    def look_after(
        self,
        *,
        status: int | None,
        resume: int | None,
        cancel: int | None,
        enqueue: bool,
        message: dict[str, Any],
    ) -> None:
        """Do the one thing that was asked for to the broadcast of that number."""
        asked = [number for number in (status, resume, cancel) if number is not None]
        if (
            len(asked) > 1
            or enqueue
            or any(value not in (None, False, NOT_GIVEN) for value in message.values())
        ):
            raise CommandError(
                "Give one of --status ID, --resume ID and --cancel ID, and neither audience nor message.",
                returncode=2,
            )
        (number,) = asked
        if cancel is not None:
            return self._cancel(number)
        if resume is not None and not (self._wait and background_backend() is None):
            self._resume(number)
        elif status is not None:
            runs.find_run(number)
            runs.resume_expired_shards()
        if self._wait:
            return self._stay(number)
        return self._command.stdout.write(render_run(summarize(number), output_format=self._format))

    def _resume(self, number: int) -> None:
        tasks = runs.resume_run(number)
        words = f"Enqueued {tasks} tasks." if tasks else "Nothing to do: nothing of it waits for a worker."
        self._command.stderr.write(words)

    def _cancel(self, number: int) -> None:
        cancelled = runs.cancel_run(number)
        summary = summarize(number)
        if not cancelled:
            self._command.stderr.write(f"Nothing to do: it is {summary.run.get_state_display()} already.")
        self._command.stdout.write(render_run(summary, output_format=self._format))

    def _stay(self, number: int) -> None:
        interrupted = ""
        expected = runs.find_run(number).recipients
        with delivery_progress(lambda: expected, self._command.stderr.write) as show:
            try:
                work_until_finished(number, on_progress=show)
            except KeyboardInterrupt:
                interrupted = f"Interrupted; go on with: broadcast --resume {number}"
        summary = summarize(number)
        self._command.stdout.write(render_run(summary, output_format=self._format))
        if summary.run.state == BroadcastRun.State.CANCELLED:
            raise CommandError(f"Broadcast {number} was cancelled.")
        end_with(summary.report, interrupted)
