"""`run_local_gateway`: run API Gateway on one local port."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.local.command_line import add_arguments, log_to, raise_file_limit, stop_signals
from websocket_gateway.local.errors import LocalGatewayError, missing_extra
from websocket_gateway.local.options import Faults, GatewayOptions, parse_quirks
from websocket_gateway.management.base import GatewayCommand

if TYPE_CHECKING:
    from websocket_gateway.local.gateway import LocalGateway


class Command(GatewayCommand):
    """Serve control plane, WebSockets and `@connections` until Ctrl-C."""

    ends_like_ctrl_c = False  # it has its own handlers
    help = (
        "Run API Gateway on one local port, for development and tests. No AWS account is needed. "
        "It is not a production server."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        add_arguments(parser)

    def handle(self, *args: object, verbosity: int, **options: Any) -> None:
        """Start, print the address, wait for Ctrl-C or SIGTERM, stop."""
        gateway = self._build(options)
        with log_to(self.stderr, verbosity), stop_signals() as stop_requested:
            try:
                gateway.start()
            except LocalGatewayError as exc:
                raise CommandError(str(exc)) from exc
            self.stdout.write(
                f"Local gateway at {gateway.endpoint_url} (for development, not for production). Settings: "
                f'WEBSOCKET_GATEWAY = {{"ENDPOINT_URL": "{gateway.endpoint_url}"}}. Ctrl-C stops it.'
            )
            self.stdout.flush()
            while not stop_requested.wait(0.5) and gateway.failed is None:
                pass
            try:
                gateway.stop()
            except KeyboardInterrupt:
                raise CommandError("Stopped at once; some $disconnect events were not sent.") from None
            if gateway.failed is not None:
                raise CommandError(f"The local gateway failed: {gateway.failed}")

    def _build(self, options: Mapping[str, Any]) -> LocalGateway:
        try:
            from websocket_gateway.local.gateway import LocalGateway
        except ImportError as exc:
            raise CommandError(str(missing_extra(exc))) from exc
        raise_file_limit()
        faults = Faults(**{item.name: options[item.name] for item in fields(Faults) if item.name in options})
        try:
            return LocalGateway(
                GatewayOptions(
                    host=options["host"],
                    port=options["port"],
                    state=options["state"],
                    idle_timeout=options["idle_timeout"],
                    max_duration=options["max_duration"],
                    verify_secret=options["verify_secret"],
                    serialize=options["serialize"],
                    deployment_seconds=options["deployment_seconds"],
                    deployment_fails=options["fail_deployments"],
                    quirks=parse_quirks(options["quirk"]),
                ),
                faults=faults,
            )
        except LocalGatewayError as exc:
            raise CommandError(str(exc)) from exc
