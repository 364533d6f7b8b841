"""`ws_metrics`: what the database knows, for cron, a textfile collector or a probe."""

from __future__ import annotations

from django.core.management.base import CommandError, CommandParser
from django.db import connections

from websocket_gateway.diagnostics.figures import read_figures
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.management.figures import WRITERS, replace_file


class Command(GatewayCommand):
    """Print the gauges."""

    help = "Print open connections, backlogs, drift and ages, as the database knows them; calls no AWS."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what `handle` takes."""
        parser.add_argument(
            "--format",
            choices=("text", "json", "prometheus"),
            default="text",
            help="Output format: text for people (the default), json, or Prometheus's text format.",
        )
        parser.add_argument(
            "--database", metavar="ALIAS", help="Read this database; by default the one that is written to."
        )
        parser.add_argument(
            "--output",
            metavar="FILE",
            help="Write to FILE, which is replaced in one step; for a textfile collector.",
        )

    def handle(
        self,
        *args: str,
        format: str,  # noqa: A002 - the option's name
        database: str | None,
        output: str | None,
        **options: object,
    ) -> None:
        """Read, and write."""
        if database is not None and database not in connections:
            known = ", ".join(connections)
            raise CommandError(f"There is no database {database!r} in DATABASES: {known}.", returncode=2)
        text = WRITERS[format](read_figures(database))
        if output is None:
            self.stdout.write(text)
            return
        try:
            replace_file(output, text)
        except OSError as exc:
            raise CommandError(f"{output} cannot be written: {exc.strerror}.") from exc
