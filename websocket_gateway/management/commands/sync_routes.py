"""`manage.py sync_routes [NAME ...]`: find what differs in AWS, show it or mend it, with one deployment."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from websocket_gateway.management.provisioning import ProvisioningCommand
from websocket_gateway.management.rendering import to_json
from websocket_gateway.services.choices import Choices
from websocket_gateway.services.gateways import Provisioning, plan_provisioning, provision
from websocket_gateway.services.preparing import find_provisioned_gateways


class Command(ProvisioningCommand):
    """Brings gateways that exist in AWS to what rows, views and settings say."""

    help = (
        "Compare every attribute of gateways in AWS with what rows, views and settings say, and mend what "
        "differs. What nobody here wants is shown and left alone, unless --prune or --import is given."
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
            help="Delete routes, integrations and stages that nobody here wants. Asks first.",
        )
        parser.add_argument(
            "--import",
            action="store_true",
            dest="take_over",
            help="Take routes and values that were changed in AWS into the rows, where a row can hold them.",
        )
        parser.add_argument(
            "--deep",
            action="store_true",
            help="Look for stray route responses of one-way routes too, at one call for each route.",
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
        take_over: bool,
        deep: bool,
        interactive: bool,
        format: str,  # noqa: A002 - the option's name
        **options: Any,
    ) -> None:
        """Plan, show or apply each gateway; report."""
        self.text = format == "text"
        choices = Choices(prune=prune, take_over=take_over, deep=deep)
        applied = not (check or dry_run)
        reports = []
        for gateway in find_provisioned_gateways(names):
            if self.text and len(names) != 1:
                self.stdout.write(f"Gateway {gateway.api_name}:")
            if applied:
                done = provision(
                    gateway,
                    choices=choices,
                    confirm=lambda planned: self.confirm_deletions(planned, interactive=interactive),
                    on_step=self.report_step,
                    on_wait=self.report_wait,
                )
            else:
                done = plan_provisioning(gateway, choices=choices, on_wait=self.report_wait)
            reports.append(done)
            if self.text:
                self.report(done, applied=applied)
        self.conclude(reports, applied=applied, check=check)

    def report(self, done: Provisioning, *, applied: bool) -> None:
        """Print what is left to say of one gateway."""
        self.report_plan(done, applied=applied)
        if not done.plan.drift:
            self.stdout.write(f"Nothing to do: gateway {done.plan.gateway} is as it should be.")

    def conclude(self, reports: list[Provisioning], *, applied: bool, check: bool) -> None:
        """Print what concerns all gateways; raise where `--check` found a difference."""
        drifted = [done.plan.gateway for done in reports if done.plan.drift]
        if not self.text:
            gateways = [self.as_dict(done, applied=applied) for done in reports]
            self.stdout.write(to_json({"drift": bool(drifted), "gateways": gateways}))
        elif not reports:
            self.stdout.write("Nothing to do: no gateway is in AWS.")
        if check and drifted:
            raise CommandError(
                f"Not as wanted: {', '.join(drifted)}. To mend it: manage.py sync_routes {' '.join(drifted)}"
            )
