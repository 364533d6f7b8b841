"""`purge_connections`: what cron runs."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Iterator

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.management import arguments
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.purging import Part, PurgeReport, count_purgeable, purge

_PARTS = [part.value for part in Part]
# By the name of the count: the verb, the noun (a plural takes an s), and which of them.
_WORDS = {
    "sessions_ended_overdue": ("end", "session", "older than API Gateway allows"),
    "sessions_ended_revoked": ("end", "session", "of users who must no longer be connected"),
    "sessions_ended_logged_out": ("end", "session", "whose Django session was deleted or has expired"),
    "sessions_deleted": ("delete", "session", "that ended longer ago than the retention"),
    "tokens_deleted": ("delete", "used or expired token", ""),
    "limits_deleted": ("delete", "rate limit", "whose window is over"),
    "messages_deleted": ("delete", "mark", "of messages handled more than a day ago"),
    "broadcasts_deleted": ("delete", "broadcast", "that finished longer ago than the retention"),
    "records_deleted": ("delete", "record", "of broadcasts, older than ACTIVITY_RETENTION_DAYS"),
    "refusals_deleted": ("delete", "count", "of refusals, older than ACTIVITY_RETENTION_DAYS"),
    "messages_published": ("publish", "message", "whose publisher died"),
    "history_deleted": ("delete", "message", "that no client can get any more"),
    "epochs_begun": ("begin", "epoch", "of channels: clients are told that their positions do not count"),
    "members_deleted": ("delete", "channel member", "who left long ago"),
    "cursors_deleted": ("delete", "acknowledgement", "of users who are gone or of epochs that have ended"),
    "channels_deleted": ("delete", "channel", "without messages that was not used for 30 days"),
    "shards_resumed": ("enqueue", "task", "for broadcasts that no worker continues"),
    "sessions_verified": ("verify", "session", "that may be alive"),
    "sessions_ended_gone": ("end", "session", "that AWS reports as gone"),
}
_DONE = {
    "end": "Ended",
    "delete": "Deleted",
    "enqueue": "Enqueued",
    "begin": "Began",
    "publish": "Published",
    "verify": "Verified",
}


def parts(value: str) -> tuple[Part, ...]:
    """Names of parts, separated by commas."""
    names = [name.strip() for name in value.split(",")]
    unknown = [name for name in names if name not in _PARTS]
    if unknown:
        raise ArgumentTypeError(f"{unknown[0]!r} is not a part. Choose from: {', '.join(_PARTS)}.")
    return tuple(Part(name) for name in names)


class Command(GatewayCommand):
    """End dead connections, and delete old rows."""

    help = "End dead connections and delete old rows; for cron. Safe to repeat, to overlap and to kill."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what `handle` takes."""
        parser.add_argument(
            "--only",
            type=parts,
            default=(),
            metavar="PARTS",
            help=f"Only these parts, separated by commas: {', '.join(_PARTS)}.",
        )
        parser.add_argument(
            "--verify",
            action="store_true",
            help="Ask AWS about the sessions that may be alive (GetConnection).",
        )
        parser.add_argument(
            "--retention",
            type=arguments.days,
            metavar="DAYS",
            help="Keep ended sessions and broadcasts for DAYS; SESSION_RETENTION_DAYS by default.",
        )
        parser.add_argument(
            "--max-seconds",
            type=arguments.positive_int,
            metavar="SECONDS",
            help="Stop after SECONDS, between two batches; the next run continues.",
        )
        parser.add_argument(
            "--new-epochs",
            action="store_true",
            help="Begin a new epoch in every channel with a history. Run it once after a database restore.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Count what would be done, and change nothing."
        )
        self.add_format_argument(parser)

    def handle(
        self,
        *args: str,
        only: tuple[Part, ...],
        verify: bool,
        retention: int | None,
        max_seconds: int | None,
        new_epochs: bool,
        dry_run: bool,
        **options: str,
    ) -> None:
        """Purge, and report."""
        if verify and only and Part.SESSIONS not in only:
            raise CommandError("--verify is about sessions: add sessions to --only.", returncode=2)
        if new_epochs and only and Part.HISTORY not in only:
            raise CommandError("--new-epochs is about channels: add history to --only.", returncode=2)
        if dry_run:
            report = count_purgeable(
                only=only, verify=verify, retention_days=retention, new_epochs=new_epochs
            )
        else:
            report = purge(
                only=only,
                verify=verify,
                retention_days=retention,
                max_seconds=max_seconds,
                new_epochs=new_epochs,
            )
        if options["format"] == "json":
            self.stdout.write(_as_json(report, dry_run=dry_run))
        else:
            self.stdout.write("\n".join(_as_text(report, dry_run=dry_run)))
        if report.problems:
            raise CommandError("\n".join(report.problems))


def _as_json(report: PurgeReport, *, dry_run: bool) -> str:
    """One line, for log collectors."""
    return json.dumps(
        {
            "command": "purge_connections",
            "dry_run": dry_run,
            **report.counts,
            "complete": report.complete,
            "problems": list(report.problems),
            "seconds": round(report.seconds, 3),
        },
        ensure_ascii=False,
    )


def _as_text(report: PurgeReport, *, dry_run: bool) -> Iterator[str]:
    for name, count in report.counts.items():
        if count:
            verb, noun, which = _WORDS[name]
            beginning = f"Would {verb}" if dry_run else _DONE[verb]
            yield f"{beginning} {count} {noun}{'s' * (count != 1)} {which}".rstrip() + "."
    if not report and not report.problems:
        yield "Nothing to do."
    if not report.complete:
        yield f"Stopped after {report.seconds:.0f} s (--max-seconds); the next run continues."
