"""What every command shares: our errors become one line and exit status 1; questions; the format option."""

from __future__ import annotations

import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError


class GatewayCommand(BaseCommand):
    """A command whose failures a person can read."""

    requires_system_checks: Any = []

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; what can go wrong in AWS, settings or database ends as a `CommandError`."""
        try:
            return super().execute(*args, **options)
        except (WebSocketGatewayError, ConfigurationError) as exc:
            raise CommandError(str(exc)) from exc
        except ValidationError as exc:
            raise CommandError(" ".join(exc.messages)) from exc
        except DatabaseError as exc:
            raise CommandError(f"The database refused: {exc}. Has `manage.py migrate` been run?") from exc

    def add_format_argument(self, parser: CommandParser) -> None:
        """Add `--format text|json`."""
        parser.add_argument(
            "--format",
            choices=("text", "json"),
            default="text",
            help="How to print the report: text for people (the default), json for programs.",
        )

    def add_no_input_argument(self, parser: CommandParser) -> None:
        """Add `--no-input`, under both spellings that Django itself accepts."""
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="Ask nothing; every question counts as answered with yes.",
        )

    def confirm(self, question: str, *, interactive: bool) -> None:
        """Ask for a yes on the terminal; anything else ends the command with nothing changed."""
        if not interactive:
            return
        if not sys.stdin.isatty():
            raise CommandError(f"{question} There is no terminal to ask on: pass --no-input to go ahead.")
        self.stderr.write(f"{question} [y/N] ", ending="")
        if input().strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was changed.")
