"""`purge_connections`: what cron runs."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.management import arguments
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.management.purging import render_purge
from websocket_gateway.purging import Part, count_purgeable, purge

_PARTS = [part.value for part in Part]


def parts(value: str) -> tuple[Part, ...]:
    """Names of parts, separated by commas."""
    names = [name.strip() for name in value.split(",")]
    unknown = [name for name in names if name not in _PARTS]
    if unknown:
        raise ArgumentTypeError(f"{unknown[0]!r} is no part. Choose from: {', '.join(_PARTS)}.")
    return tuple(Part(name) for name in names)


class Command(GatewayCommand):
    """End the connections that must be dead, and delete the rows that nobody needs any more."""

    help = "End dead connections and delete old rows; for cron. Safe to repeat, to overlap and to kill."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what `handle` takes."""
        parser.add_argument(
            "--only",
            type=parts,
            default=(),
            metavar="PARTS",
            help=f"Only these, separated by commas: {', '.join(_PARTS)}.",
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
            help="Keep ended sessions and broadcasts so long; SESSION_RETENTION_DAYS by default.",
        )
        parser.add_argument(
            "--max-seconds",
            type=arguments.positive_int,
            metavar="SECONDS",
            help="Stop after so long, between two batches; the next run goes on.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Count what would be done, and do nothing."
        )
        self.add_format_argument(parser)

    def handle(
        self,
        *args: Any,
        only: tuple[Part, ...],
        verify: bool,
        retention: int | None,
        max_seconds: int | None,
        dry_run: bool,
        **options: Any,
    ) -> None:
        """Purge, and report."""
        if verify and only and Part.SESSIONS not in only:
            raise CommandError("--verify asks about sessions: add sessions to --only.", returncode=2)
        chosen: dict[str, Any] = {"only": only, "verify": verify, "retention_days": retention}
        report = count_purgeable(**chosen) if dry_run else purge(**chosen, max_seconds=max_seconds)
        self.stdout.write(render_purge(report, dry_run=dry_run, output_format=options["format"]))
        if report.problems:
            raise CommandError("\n".join(report.problems))
