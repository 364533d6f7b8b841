"""`manage.py sync_routes [NAME ...]`: find what differs in AWS, show it or fix it, with one deployment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.exceptions import ConfigurationError, WebSocketGatewayError
from websocket_gateway.management.provisioning import ProvisioningCommand
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.describe import to_json
from websocket_gateway.provisioning.gateways import Provisioning, plan_provisioning, provision
from websocket_gateway.provisioning.plan import Choices
from websocket_gateway.provisioning.row import find_provisioned_gateways


class Command(ProvisioningCommand):
    """Brings gateways that exist in AWS to what rows, views and settings say."""

    help = (
        "Compare every attribute of gateways in AWS with what rows, views and settings say, and fix what "
        "differs. Unwanted resources are shown and kept, unless --prune or --import is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help="The gateways; every one that is in AWS if left out."
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--check", action="store_true", help="Change nothing; exit with status 1 if anything differs."
        )
        how.add_argument(
            "--dry-run", action="store_true", help="Print the plan; change nothing, neither in AWS nor here."
        )
        parser.add_argument(
            "--prune",
            action="store_true",
            help="Delete unwanted routes, integrations, stages and earlier domains. Asks first.",
        )
        parser.add_argument(
            "--import",
            action="store_true",
            dest="import_changes",
            help="Import routes and values that were changed in AWS, if a row can store them.",
        )
        parser.add_argument(
            "--rotate-secret",
            action="store_true",
            help="Deploy a new origin secret for the named gateways. Until that is done, events with the old "
            "one are accepted too.",
        )
        parser.add_argument(
            "--deep",
            action="store_true",
            help="Also find unwanted route responses of one-way routes; needs one call per route.",
        )
        self.add_no_input_argument(parser)
        self.add_format_argument(parser)

    def handle(
        self,
        *args: Any,
        names: list[str],
        check: bool,
        dry_run: bool,
        prune: bool,
        import_changes: bool,
        rotate_secret: bool,
        deep: bool,
        interactive: bool,
        format: str,  # noqa: A002 - the option's name
        **options: Any,
    ) -> None:
        """Plan, show or apply each gateway; report."""
        self.text = format == "text"
        self.interactive = interactive
        if rotate_secret and (check or not names):
            problem = "cannot be combined with --check" if check else "needs the NAME of a gateway"
            raise CommandError(f"--rotate-secret {problem}.", returncode=2)
        self.choices = Choices(
            prune=prune, import_changes=import_changes, rotate_secret=rotate_secret, deep=deep
        )
        self.applied = not (check or dry_run)
        gateways = find_provisioned_gateways(names)
        done = {gateway.api_name: self.sync(gateway, among=len(gateways)) for gateway in gateways}
        self.conclude(done, check=check)

    def sync(self, gateway: ApiGateway, *, among: int) -> Provisioning | None:
        """Plan, show or apply one gateway; among several the failure of one does not stop the others."""
        if among > 1 and self.text:
            self.stdout.write(f"Gateway {gateway.api_name}:")
        try:
            done = self.provision(gateway)
        except (WebSocketGatewayError, ConfigurationError) as exc:
            if among == 1:
                raise
            self.stderr.write(self.style.ERROR(f"Gateway {gateway.api_name}: {exc}"))
            return None
        if self.text:
            self.report_plan(done, applied=self.applied)
        return done

    def provision(self, gateway: ApiGateway) -> Provisioning:
        """Plan one gateway, and apply the plan unless it is only to be shown."""
        if not self.applied:
            return plan_provisioning(gateway, choices=self.choices, on_wait=self.report_wait)
        return provision(
            gateway,
            choices=self.choices,
            confirm=lambda planned: self.confirm_deletions(planned, interactive=self.interactive),
            on_step=self.report_step,
            on_wait=self.report_wait,
        )

    def conclude(self, done: Mapping[str, Provisioning | None], *, check: bool) -> None:
        """Print what concerns all gateways; raise where one failed, or where `--check` found a difference."""
        reports = [report for report in done.values() if report is not None]
        drifted = [report.plan.gateway for report in reports if report.plan.drift]
        failed = [name for name, report in done.items() if report is None]
        if not self.text:
            gateways = [self.as_dict(report, applied=self.applied) for report in reports]
            self.stdout.write(to_json({"drift": bool(drifted), "gateways": gateways}))
        elif not done:
            self.stdout.write("Nothing to do: no gateway is in AWS.")
        if failed:
            raise CommandError(f"Not {'checked' if check else 'synced'}: {', '.join(failed)}.")
        if check and drifted:
            command = " ".join(["manage.py sync_routes", *map(shlex.quote, drifted)])
            if not any(map(attrgetter("plan"), reports)):
                command += " --prune, or --import"
            raise CommandError(f"Not as wanted: {', '.join(drifted)}. To fix it: {command}")
