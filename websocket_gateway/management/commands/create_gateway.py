"""`manage.py create_gateway [NAME]`: plan one gateway, apply the plan, resume after any failure."""

from __future__ import annotations

from django.core.management.base import CommandParser

from websocket_gateway.management.arguments import (
    api_id,
    channel_name,
    domain_name,
    http_url,
    mapping_key,
    region_name,
    stage_name,
    tag,
)
from websocket_gateway.management.provisioning import ProvisioningCommand
from websocket_gateway.provisioning.custom_domain import dns_advice
from websocket_gateway.provisioning.describe import to_json
from websocket_gateway.provisioning.gateways import Provisioning, plan_provisioning, provision
from websocket_gateway.provisioning.importing import adopted_values
from websocket_gateway.provisioning.plan import Choices
from websocket_gateway.provisioning.row import find_or_build_gateway

_FIELDS = {
    "target": "target_base_endpoint",
    "stage": "stage_name",
    "region": "region_name",
    "default_channel": "default_channel_name",
    "description": "api_description",
    "domain": "domain_name",
    "certificate_arn": "certificate_arn",
    "hosted_zone_id": "hosted_zone_id",
    "mapping_key": "mapping_key",
}


class Command(ProvisioningCommand):
    """Creates a gateway in AWS, or finishes and updates one."""

    help = (
        "Create a WebSocket gateway in AWS: API, integrations, routes, stage and deployment. "
        "Run it again to finish an interrupted run, or to update what differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "name", nargs="?", metavar="NAME", help="The gateway; may be left out while there is exactly one."
        )
        self.add_row_arguments(parser)
        self.add_domain_arguments(parser)
        parser.add_argument(
            "--adopt",
            type=api_id,
            metavar="API_ID",
            help="Adopt an API that was created by hand, by another tool or by another installation.",
        )
        parser.add_argument(
            "--recreate",
            action="store_true",
            help="Create the API again if the stored one no longer exists in AWS. Asks first.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Print the plan; change nothing, neither in AWS nor here."
        )
        self.add_no_input_argument(parser)
        self.add_format_argument(parser)

    def add_row_arguments(self, parser: CommandParser) -> None:
        """Declare the options that a new gateway is made from, and an existing one is changed by."""
        parser.add_argument(
            "--target",
            type=http_url,
            metavar="URL",
            help="URL of the WebSocketView without its last part, such as https://www.example.com/ws/.",
        )
        parser.add_argument(
            "--region",
            type=region_name,
            help="Region of a new gateway, or of one that is created again (--recreate).",
        )
        parser.add_argument("--stage", type=stage_name, help="Name of the stage (default: production).")
        parser.add_argument(
            "--default-channel",
            type=channel_name,
            metavar="CHANNEL",
            help="Channel of connections that do not name one.",
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

    def add_domain_arguments(self, parser: CommandParser) -> None:
        """Declare the options of the custom domain."""
        parser.add_argument(
            "--domain", type=domain_name, metavar="NAME", help="Custom domain, such as ws.example.com."
        )
        parser.add_argument(
            "--certificate-arn",
            metavar="ARN",
            help="Certificate in ACM for the domain; optional if exactly one ISSUED one covers it.",
        )
        parser.add_argument(
            "--hosted-zone-id",
            metavar="ID",
            help="Hosted zone in Route 53 for the alias record. Without it, create the record yourself.",
        )
        parser.add_argument(
            "--mapping-key",
            type=mapping_key,
            metavar="KEY",
            help="Path of the domain for this gateway. With different paths, gateways can share it.",
        )
        parser.add_argument(
            "--move-mapping",
            action="store_true",
            help="Let the domain lead here where it leads to another gateway of this project. Asks first.",
        )

    def handle(
        self,
        *args: object,
        name: str | None,
        tags: list[tuple[str, str]] | None,
        adopt: str | None,
        recreate: bool,
        move_mapping: bool,
        dry_run: bool,
        interactive: bool,
        format: str,  # noqa: A002 - the option's name
        **options: object,
    ) -> None:
        """Plan, show or apply, report."""
        self.text = format == "text"
        values = {field: options[option] for option, field in _FIELDS.items() if options[option] is not None}
        if tags is not None:
            values["tags"] = dict(tags)
        if adopt:
            values = adopted_values(name, adopt, values, on_wait=self.report_wait)
        gateway = find_or_build_gateway(name, values)
        choices = Choices(recreate=recreate, adopt=adopt or "", move_mapping=move_mapping)
        if dry_run:
            done = plan_provisioning(gateway, values, choices=choices, on_wait=self.report_wait)
        else:
            done = provision(
                gateway,
                values,
                choices=choices,
                confirm=lambda planned: self.confirm_plan(planned, interactive=interactive),
                on_step=self.report_step,
                on_wait=self.report_wait,
            )
        self.report(done, applied=not dry_run)

    def confirm_plan(self, planned: Provisioning, *, interactive: bool) -> None:
        """Ask before anything is deleted in AWS, or protection removed, or an API that is gone replaced."""
        self.confirm_deletions(planned, interactive=interactive)
        gateway = planned.gateway
        if notes := planned.adoption_notes:
            self.confirm(f"Adopt API {planned.choices.adopt}: {'; '.join(notes)}?", interactive=interactive)
        if moved := planned.moved_mappings:
            self.confirm(
                f"Lead {', '.join(moved)} to gateway {gateway.api_name}? Clients that connect reach it then.",
                interactive=interactive,
            )
        if planned.choices.recreate and gateway.api_id and planned.observed.api is None:
            self.confirm(
                f"AWS does not know API {gateway.api_id}. Create gateway {gateway.api_name} again?",
                interactive=interactive,
            )

    def report(self, done: Provisioning, *, applied: bool) -> None:
        """Print the report."""
        if not self.text:
            self.stdout.write(to_json(self.as_dict(done, applied=applied)))
            return
        self.report_plan(done, applied=applied)
        if record := dns_advice(done.gateway):
            self.stdout.write(f"Create this record in DNS (at the top of a zone: an alias): {record}")
        if done.socket_url:
            self.stdout.write(f"Clients connect to {done.socket_url}")
