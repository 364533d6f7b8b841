"""`check_ws_settings`: what is wrong with a project, and what to type."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.diagnostics.probing import PROBING_SECONDS, diagnose
from websocket_gateway.management import arguments
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.management.diagnosis import render_diagnosis, summary


class Command(GatewayCommand):
    """Look for mistakes in settings, URLs, views and rows, and with `--live` in AWS and the network."""

    help = "Find mistakes in settings, URLs, views and gateways; with --live ask AWS and the network, too."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what `handle` takes."""
        parser.add_argument(
            "--live", action="store_true", help="Ask AWS, DNS and the target URLs, too; changes nothing."
        )
        parser.add_argument(
            "--gateway",
            action="append",
            default=[],
            dest="gateways",
            metavar="NAME",
            help="Look at this gateway only; can be given several times. All of them without it.",
        )
        parser.add_argument(
            "--deploy", action="store_true", help="Judge as in production, even where DEBUG is on."
        )
        parser.add_argument(
            "--fail-level",
            choices=("error", "warning"),
            default="error",
            help="Findings of this level or above end the command with status 1; error by default.",
        )
        parser.add_argument(
            "--timeout",
            type=arguments.positive_int,
            default=PROBING_SECONDS,
            metavar="SECONDS",
            help=f"How long database, AWS and network may take in all; {PROBING_SECONDS} by default.",
        )
        parser.add_argument(
            "--format",
            choices=("text", "json"),
            help="How to print: text on a terminal, json elsewhere, unless it is given.",
        )

    def handle(
        self,
        *args: Any,
        live: bool,
        gateways: list[str],
        deploy: bool,
        fail_level: str,
        timeout: int,
        **options: Any,
    ) -> None:
        """Diagnose, and print."""
        diagnosis = diagnose(gateways=gateways, live=live, deploy=deploy, seconds=timeout)
        output_format = options["format"] or ("text" if self.stdout.isatty() else "json")
        self.stdout.write(render_diagnosis(diagnosis, output_format=output_format, style=self.style))
        serious = diagnosis.count("error") + (fail_level == "warning") * diagnosis.count("warning")
        if serious:
            raise CommandError(summary(diagnosis))
