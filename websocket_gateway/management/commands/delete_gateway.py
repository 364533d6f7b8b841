"""`manage.py delete_gateway NAME`: delete a gateway, in AWS and here; resume after any failure."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from websocket_gateway.exceptions import GatewayNotFoundError
from websocket_gateway.management.provisioning import ProvisioningCommand
from websocket_gateway.provisioning.applying import Planned
from websocket_gateway.provisioning.deleting import delete_gateway, plan_gateway_deletion
from websocket_gateway.provisioning.describe import plan_as_dict, render_plan, to_json
from websocket_gateway.provisioning.plan import Plan
from websocket_gateway.provisioning.row import find_gateway


class Command(ProvisioningCommand):
    """Deletes a gateway."""

    help = (
        "Delete a gateway: its record in DNS, API mapping, custom domain and API, and its row here with "
        "routes and sessions. What was not made for it stays. Asks first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("name", metavar="NAME", help="The gateway.")
        parser.add_argument(
            "--keep-record",
            action="store_true",
            help="Keep the row and its routes, for create_gateway to create the gateway again from.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the plan; change nothing, neither in AWS nor here."
        )
        self.add_no_input_argument(parser)
        self.add_format_argument(parser)

    def handle(
        self,
        *args: Any,
        name: str,
        keep_record: bool,
        dry_run: bool,
        interactive: bool,
        format: str,  # noqa: A002 - the option's name
        **options: Any,
    ) -> None:
        """Plan, ask, apply, report."""
        self.text = format == "text"
        try:
            gateway = find_gateway(name)
        except GatewayNotFoundError as exc:
            self.report(Plan(gateway=name), applied=not dry_run, nothing=str(exc))
            return
        if dry_run:
            planned = plan_gateway_deletion(gateway, keep_record=keep_record, on_wait=self.report_wait)
        else:
            planned = delete_gateway(
                gateway,
                keep_record=keep_record,
                confirm=lambda deletion: self.confirm_deletion(deletion, interactive=interactive),
                on_step=self.report_step,
                on_wait=self.report_wait,
            )
        self.report(planned.plan, applied=not dry_run, nothing=f"Gateway {name!r} is not in AWS.")

    def confirm_deletion(self, deletion: Planned, *, interactive: bool) -> None:
        """Show the plan and ask."""
        if interactive:
            for line in render_plan(deletion.plan):
                self.stderr.write(line)
        self.confirm(
            f"Delete gateway {deletion.plan.gateway}? All its clients are disconnected.",
            interactive=interactive,
        )

    def report(self, plan: Plan, *, applied: bool, nothing: str) -> None:
        """Print the report."""
        if not self.text:
            self.stdout.write(to_json({**plan_as_dict(plan), "dry_run": not applied}))
            return
        for line in () if applied else render_plan(plan):
            self.stdout.write(line)
        for note in plan.notes:
            self.stderr.write(self.style.WARNING(f"Note: {note}"))
        if not plan:
            self.stdout.write(f"Nothing to do. {nothing}")
