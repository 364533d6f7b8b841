"""`check_ws_settings`: find what is wrong with a project, and say what to type."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from django.core.checks import CheckMessage
from django.core.management.base import CommandError, CommandParser
from django.core.management.color import Style

from websocket_gateway.diagnostics import Diagnosis, diagnose
from websocket_gateway.diagnostics.probing import LEVELS, PROBING_SECONDS, level_of
from websocket_gateway.diagnostics.threads import is_any_running
from websocket_gateway.management import arguments
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.models import ApiGateway


class Command(GatewayCommand):
    """Look for mistakes in settings, URLs, views and rows, and with `--live` in AWS and the network."""

    help = "Find mistakes in settings, URLs, views and gateways; with --live also in AWS and the network."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what `handle` takes."""
        parser.add_argument(
            "--live", action="store_true", help="Also query AWS, DNS and the target URLs; changes nothing."
        )
        parser.add_argument(
            "--gateway",
            action="append",
            default=[],
            dest="gateways",
            metavar="NAME",
            help="Look at this gateway only; can be given several times. Default: all gateways.",
        )
        parser.add_argument(
            "--deploy", action="store_true", help="Judge as in production, even where DEBUG is on."
        )
        parser.add_argument(
            "--fail-level",
            choices=("error", "warning"),
            default="error",
            help="Exit with status 1 if there are findings of this level or above; error by default.",
        )
        parser.add_argument(
            "--timeout",
            type=arguments.positive_int,
            default=PROBING_SECONDS,
            metavar="SECONDS",
            help=f"Time for database, AWS and network together; {PROBING_SECONDS} by default.",
        )
        parser.add_argument(
            "--format",
            choices=("text", "json"),
            help="Output format. Default: text on a terminal, json elsewhere.",
        )

    def run_from_argv(self, argv: list[str]) -> None:
        """Run as a program, and end it although a probe still hangs."""
        try:
            super().run_from_argv(argv)
        except SystemExit as exc:
            _exit_if_hanging(exc.code)
            raise
        _exit_if_hanging(0)

    def handle(
        self,
        *args: str,
        live: bool,
        gateways: list[str],
        deploy: bool,
        fail_level: str,
        timeout: int,
        **options: str | None,
    ) -> None:
        """Diagnose, and print."""
        diagnosis = diagnose(gateways=gateways, live=live, deploy=deploy, seconds=timeout)
        output_format = options["format"] or ("text" if self.stdout.isatty() else "json")
        if output_format == "json":
            self.stdout.write(_as_json(diagnosis))
        else:
            self.stdout.write("\n".join(_as_text(diagnosis, self.style)))
        serious = diagnosis.count("error") + (fail_level == "warning") * diagnosis.count("warning")
        if serious:
            raise CommandError(_summarize(diagnosis))


def _exit_if_hanging(status: object) -> None:
    """Exit at once if a probe still runs: the interpreter would wait for the thread pools of that probe."""
    if is_any_running():
        os._exit(status if isinstance(status, int) else 1)


def _as_json(diagnosis: Diagnosis) -> str:
    return json.dumps(
        {
            "errors": diagnosis.count("error"),
            "warnings": diagnosis.count("warning"),
            "findings": [
                {
                    "level": level_of(finding),
                    "id": finding.id,
                    "message": finding.msg,
                    "hint": finding.hint,
                    "gateway": _gateway_of(finding),
                }
                for finding in diagnosis.findings
            ],
            "facts": diagnosis.facts,
        },
        indent=2,
        ensure_ascii=False,
    )


def _as_text(diagnosis: Diagnosis, style: Style) -> Iterator[str]:
    """One line for each fact, then one for each finding, errors first, then the summary."""
    for fact in diagnosis.facts:
        yield f"{style.SUCCESS('OK'.ljust(7))}  {'':4}  {fact}"
    for finding in sorted(diagnosis.findings, key=level_of):
        level = level_of(finding)
        paint = style.ERROR if level == "error" else style.WARNING
        number = (finding.id or "").rpartition(".")[2]
        name = _gateway_of(finding)
        message = " ".join(f"{name}: {finding.msg}".split()) if name else " ".join(finding.msg.split())
        yield f"{paint(level.upper().ljust(7))}  {number}  {message}  ->  {finding.hint}"
    yield _summarize(diagnosis)


def _gateway_of(finding: CheckMessage) -> str:
    """The name of the gateway that a finding is about; empty for the whole project."""
    return finding.obj.api_name if isinstance(finding.obj, ApiGateway) else ""


def _summarize(diagnosis: Diagnosis) -> str:
    counts = [(diagnosis.count(level), level) for level in LEVELS]
    found = [f"{count} {level}{'s' * (count != 1)}" for count, level in counts if count]
    return f"{', '.join(found)}." if found else "Nothing found."
