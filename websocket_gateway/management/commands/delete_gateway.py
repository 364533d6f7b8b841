"""`manage.py delete_gateway NAME`: delete a gateway, in AWS and here; resume after any failure."""

from __future__ import annotations

from django.core.management.base import CommandParser

from websocket_gateway.exceptions import GatewayNotFoundError
from websocket_gateway.management.provisioning import ProvisioningCommand
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.deleting import delete_gateway, plan_gateway_deletion
from websocket_gateway.provisioning.describe import plan_as_dict, render_plan, to_json
from websocket_gateway.provisioning.forgetting import forget_gateway, plan_forgetting
from websocket_gateway.provisioning.plan import Plan
from websocket_gateway.provisioning.row import find_gateway


class Command(ProvisioningCommand):
    """Deletes a gateway."""

    help = (
        "Delete a gateway: its record in DNS, API mapping, custom domain and API, and its row here with "
        "routes and sessions. Resources that were not created for it are kept. Asks first."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("name", metavar="NAME", help="The gateway.")
        how = parser.add_mutually_exclusive_group()
        how.add_argument(
            "--keep-record",
            action="store_true",
            help="Keep the row and its routes, so that create_gateway can create the gateway again.",
        )
        how.add_argument(
            "--forget",
            action="store_true",
            help="Delete only the row here, with its routes and sessions; AWS is not called. For the gateway "
            "of another installation in a copied database.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the plan; change nothing, neither in AWS nor here."
        )
        self.add_no_input_argument(parser)
        self.add_format_argument(parser)

    def handle(
        self,
        *args: object,
        name: str,
        keep_record: bool,
        forget: bool,
        dry_run: bool,
        interactive: bool,
        format: str,  # noqa: A002 - the option's name
        **options: object,
    ) -> None:
        """Plan, ask, apply, report."""
        self.text = format == "text"
        try:
            gateway = find_gateway(name)
        except GatewayNotFoundError as exc:
            self.report(Plan(gateway=name), applied=not dry_run, nothing=str(exc))
            return
        self.interactive = interactive
        plan = self.forget(gateway, dry_run) if forget else self.delete(gateway, keep_record, dry_run)
        self.report(plan, applied=not dry_run, nothing=f"Gateway {name!r} is not in AWS.")

    def delete(self, gateway: ApiGateway, keep_record: bool, dry_run: bool) -> Plan:
        """Delete the gateway in AWS and here, or show how."""
        if dry_run:
            return plan_gateway_deletion(gateway, keep_record=keep_record, on_wait=self.report_wait).plan
        question = f"Delete gateway {gateway.api_name}? All its clients are disconnected."
        return delete_gateway(
            gateway,
            keep_record=keep_record,
            confirm=lambda deletion: self.confirm_plan(deletion.plan, question),
            on_step=self.report_step,
            on_wait=self.report_wait,
        ).plan

    def forget(self, gateway: ApiGateway, dry_run: bool) -> Plan:
        """Delete the row alone, or show what would be deleted."""
        if dry_run:
            return plan_forgetting(gateway)
        stays = f" API {gateway.api_id} stays in AWS." if gateway.api_id else ""
        question = f"Forget gateway {gateway.api_name}? Its row, routes and sessions are deleted here.{stays}"
        return forget_gateway(
            gateway,
            confirm=lambda plan: self.confirm_plan(plan, question),
            on_step=self.report_step,
            on_wait=self.report_wait,
        )

    def confirm_plan(self, plan: Plan, question: str) -> None:
        """Show the plan and ask."""
        if self.interactive:
            for line in render_plan(plan):
                self.stderr.write(line)
        self.confirm(question, interactive=self.interactive)

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
