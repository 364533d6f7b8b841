"""`manage.py create_gateway [NAME]`: plan one gateway, apply the plan, resume after any failure."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from websocket_gateway.management.arguments import channel_name, http_url, stage_name, tag
from websocket_gateway.management.base import GatewayCommand
from websocket_gateway.management.rendering import plan_as_dict, render_step, to_json
from websocket_gateway.planning.plans import Step
from websocket_gateway.services.gateways import (
    Provisioning,
    apply_provisioning,
    plan_provisioning,
    prepare_gateway,
)

_FIELDS = {
    "target": "target_base_endpoint",
    "stage": "stage_name",
    "default_channel": "default_channel_name",
    "description": "api_description",
}


class Command(GatewayCommand):
    """Creates a gateway in AWS, or finishes and updates one."""

    help = (
        "Create a WebSocket gateway in AWS: API, integrations, routes, stage and deployment. "
        "Running it again finishes what an earlier run could not, and changes what differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "name", nargs="?", metavar="NAME", help="The gateway; may be left out while there is exactly one."
        )
        parser.add_argument(
            "--target",
            type=http_url,
            metavar="URL",
            help="URL of the WebSocketView without its last part, such as https://www.example.com/ws/.",
        )
        parser.add_argument("--stage", type=stage_name, help="Name of the stage (default: production).")
        parser.add_argument(
            "--default-channel", type=channel_name, metavar="CHANNEL", help="Channel of those who name none."
        )
        parser.add_argument("--description", help="Description of the API, shown in the AWS console.")
        parser.add_argument(
            "--tag",
            type=tag,
            action="append",
            dest="tags",
            metavar="KEY=VALUE",
            help="Tag for API and stage; may be given several times.",
        )
        parser.add_argument(
            "--recreate",
            action="store_true",
            help="Create the API anew where AWS no longer knows the one in the database. Asks first.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the plan; change nothing, neither in AWS nor here."
        )
        self.add_no_input_argument(parser)
        self.add_format_argument(parser)

    def handle(
        self,
        *args: Any,
        name: str | None,
        tags: list[tuple[str, str]] | None,
        recreate: bool,
        dry_run: bool,
        interactive: bool,
        format: str,  # noqa: A002 - the option's name
        **options: Any,
    ) -> None:
        """Plan, show or apply, report."""
        values = {field: options[option] for option, field in _FIELDS.items() if options[option] is not None}
        if tags is not None:
            values["tags"] = dict(tags)
        gateway, record = prepare_gateway(name, values)
        self.text = format == "text"
        provisioning = plan_provisioning(gateway, record=record, recreate=recreate, on_wait=self.report_wait)
        if not dry_run:
            if recreate and gateway.api_id and provisioning.observed.api is None:
                self.confirm(
                    f"AWS does not know API {gateway.api_id}. Create gateway {gateway.api_name} anew?",
                    interactive=interactive,
                )
            apply_provisioning(provisioning, on_step=self.report_step, on_wait=self.report_wait)
        self.report(provisioning, dry_run=dry_run)

    def report_step(self, step: Step) -> None:
        """Print a step that is done."""
        if self.text:
            for line in render_step(step, dry_run=False):
                self.stdout.write(line)

    def report_wait(self, text: str) -> None:
        """Say on stderr what is being waited for, once."""
        if text != getattr(self, "_waiting_for", None):
            self._waiting_for = text
            self.stderr.write(text)

    def report(self, provisioning: Provisioning, *, dry_run: bool) -> None:
        """Print what is left to say."""
        plan, gateway = provisioning.plan, provisioning.gateway
        if not self.text:
            report = {
                **plan_as_dict(plan),
                "dry_run": dry_run,
                "api_id": gateway.api_id,
                "socket_url": provisioning.socket_url,
            }
            self.stdout.write(to_json(report))
            return
        if dry_run:
            for step in plan:
                for line in render_step(step, dry_run=True):
                    self.stdout.write(line)
        for note in plan.notes:
            self.stderr.write(self.style.WARNING(f"Note: {note}"))
        if not plan:
            self.stdout.write(f"Nothing to do: gateway {gateway.api_name} is as it should be.")
        if provisioning.socket_url:
            self.stdout.write(f"Clients connect to {provisioning.socket_url}")
