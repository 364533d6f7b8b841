"""`manage.py create_gateway [NAME]`: plan one gateway, apply the plan, resume after any failure."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from websocket_gateway.management.arguments import channel_name, http_url, stage_name, tag
from websocket_gateway.management.provisioning import ProvisioningCommand
from websocket_gateway.management.rendering import to_json
from websocket_gateway.services.adopting import adopted_values
from websocket_gateway.services.choices import Choices
from websocket_gateway.services.gateways import Provisioning, plan_provisioning, provision
from websocket_gateway.services.preparing import prepare_gateway

_FIELDS = {
    "target": "target_base_endpoint",
    "stage": "stage_name",
    "default_channel": "default_channel_name",
    "description": "api_description",
}


class Command(ProvisioningCommand):
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
            "--adopt",
            default="",
            metavar="API_ID",
            help="Take over an API that was made by hand, by another tool or by another installation.",
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
        adopt: str,
        recreate: bool,
        dry_run: bool,
        interactive: bool,
        format: str,  # noqa: A002 - the option's name
        **options: Any,
    ) -> None:
        """Plan, show or apply, report."""
        self.text = format == "text"
        values = {field: options[option] for option, field in _FIELDS.items() if options[option] is not None}
        if tags is not None:
            values["tags"] = dict(tags)
        if adopt:
            values = adopted_values(name, adopt, values, on_wait=self.report_wait)
        gateway, record = prepare_gateway(name, values)
        choices = Choices(recreate=recreate, adopt=adopt)
        if dry_run:
            done = plan_provisioning(gateway, record=record, choices=choices, on_wait=self.report_wait)
        else:
            done = provision(
                gateway,
                record=record,
                choices=choices,
                confirm=lambda planned: self.confirm_recreation(planned, interactive=interactive),
                on_step=self.report_step,
                on_wait=self.report_wait,
            )
        self.report(done, applied=not dry_run)

    def confirm_recreation(self, planned: Provisioning, *, interactive: bool) -> None:
        """Ask before an API takes the place of one that is gone."""
        gateway = planned.gateway
        if planned.choices.recreate and gateway.api_id and planned.observed.api is None:
            self.confirm(
                f"AWS does not know API {gateway.api_id}. Create gateway {gateway.api_name} anew?",
                interactive=interactive,
            )

    def report(self, done: Provisioning, *, applied: bool) -> None:
        """Print what is left to say."""
        if not self.text:
            self.stdout.write(to_json(self.as_dict(done, applied=applied)))
            return
        self.report_plan(done, applied=applied)
        if done.socket_url:
            self.stdout.write(f"Clients connect to {done.socket_url}")
