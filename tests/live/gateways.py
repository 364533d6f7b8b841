"""One gateway of the suite, made by the package's own commands, for the cases that need one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

from botocore.exceptions import ClientError
from django.test import override_settings

from tests.live.targets import Target
from tests.support.commands import Ended, run
from tests.support.drift import DOMAIN_FIELDS, OPTIONS, Site, build_row
from tests.support.places import Place
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import installation_fingerprint
from websocket_gateway.resources import INSTALLATION_TAG, UUID_TAG

INSTALLATION = "live suite"
"""`INSTALLATION_NAME`: everything that the suite makes carries its mark, from the first call on."""
_FIELDS = ("api_id", "api_endpoint", "deployment_id", "api_created", *DOMAIN_FIELDS)
# What a killed run left may be deleted by the next one; a run that goes on meanwhile may not.
_LEFT_BEHIND = timedelta(hours=3)


@dataclass
class Gateway:
    """What is known of the gateway across tests, whose rows are rolled back."""

    target: Target
    name: str
    uuid: UUID = field(default_factory=uuid4)
    fields: dict[str, Any] = field(default_factory=dict)
    complete: bool = False
    """Whether the command has made all of it."""
    place: Place | None = None
    """Its custom domain."""
    has_residue: bool = False
    """Whether `--check` has something to say of a new gateway: what the stand-in itself does otherwise."""

    @property
    def options(self) -> dict[str, Any]:
        """What `GATEWAYS` says of it."""
        options = dict(OPTIONS)
        if not self.target.has_logs:
            del options["ACCESS_LOG_ARN"], options["ACCESS_LOG_FORMAT"]
        elif self.target.choices.log_group:
            options["ACCESS_LOG_ARN"] = self.target.choices.log_group.removesuffix(":*")
        return options

    def configure(self, settings: Any) -> None:
        """Point the package at the target."""
        settings.WEBSOCKET_GATEWAY = {
            "ENDPOINT_URL": self.target.endpoint_url,
            "INSTALLATION_NAME": INSTALLATION,
            "GATEWAYS": {self.name: self.options},
        }
        settings.AWS_GATEWAY_REGION_NAME = self.target.region

    def build(self, settings: Any) -> Site:
        """The row in this test's database, with the ids that AWS gave."""
        row = build_row(self.name, uuid=self.uuid, **(self.place.row_fields if self.place else {}))
        ApiGateway.objects.filter(pk=row.pk).update(**self.fields)
        row.additional_routes.update(deployed=bool(self.fields))
        row.refresh_from_db()
        return Site(
            handle=self.target.handle,
            aws=self.target.client("apigatewayv2"),
            row=row,
            settings=settings,
            options=self.options,
            place=self.place,
        )

    def create(self, settings: Any) -> Ended:
        """Create it by the command, and remember its ids."""
        row = self.build(settings).row
        ended = run("create_gateway", self.name)
        row.refresh_from_db()
        if row.api_id:
            self.fields = {name: getattr(row, name) for name in _FIELDS}
        return ended

    def put_back(self, settings: Any) -> Site:
        """The gateway as wanted, whatever the test before did to it."""
        site = self.build(settings)
        site.sync("--prune", "--no-input")
        site.row.refresh_from_db()
        return site


def plan_lines(ended: Ended) -> list[str]:
    """The lines of a plan; none where there is nothing to do; what is on stderr where there is no plan."""
    lines = ended.stdout.splitlines() if ended.stdout or not ended.status else [ended.stderr]
    return [line for line in lines if line and not line.startswith("Nothing to do")]


def sweep(target: Target, *, uuid: UUID | None = None) -> None:
    """Delete what carries the suite's mark: this run's, or what a killed run left some hours ago."""
    aws = target.client("apigatewayv2")
    with override_settings(WEBSOCKET_GATEWAY={"INSTALLATION_NAME": INSTALLATION}):
        ours = {INSTALLATION_TAG: installation_fingerprint()}
    if uuid is not None:
        ours[UUID_TAG] = str(uuid)
    before = datetime.now(timezone.utc) - (timedelta() if uuid is not None else _LEFT_BEHIND)
    if uuid is not None and target.place:
        _sweep_domain(aws, target.place, ours)
    for page in aws.get_paginator("get_apis").paginate():
        for item in page["Items"]:
            if ours.items() <= (item.get("Tags") or {}).items() and _made(item) < before:
                aws.delete_api(ApiId=item["ApiId"])


def _sweep_domain(aws: Any, place: Place, ours: dict[str, str]) -> None:
    with suppress(ClientError):
        domain = aws.get_domain_name(DomainName=place.name)
        if ours.items() <= (domain.get("Tags") or {}).items():
            target = domain["DomainNameConfigurations"][0]["ApiGatewayDomainName"]
            for record in place.records_to(target):
                place.change("DELETE", record)
            aws.delete_domain_name(DomainName=place.name)


def _made(item: dict[str, Any]) -> datetime:
    made = item.get("CreatedDate")
    return made if isinstance(made, datetime) else datetime.now(timezone.utc)
