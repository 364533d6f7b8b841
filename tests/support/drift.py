"""A gateway that is as wanted, in a local gateway whose whole state can be put back between two tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import boto3

from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory
from tests.support.commands import Ended, run
from tests.support.places import Place
from websocket_gateway.local.options import Call
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

OPTIONS: dict[str, Any] = {
    "INTEGRATION_TIMEOUT_MS": 20_000,
    "THROTTLING_RATE_LIMIT": 100,
    "THROTTLING_BURST_LIMIT": 200,
    "ACCESS_LOG_ARN": "arn:aws:logs:eu-west-1:123456789012:log-group:ws",
    "ACCESS_LOG_FORMAT": "$context.requestId $context.eventType",
    "STAGE_VARIABLES": {"colour": "blue", "size": "1"},
    "TAGS": {"cost": "7"},
    "DISABLE_EXECUTE_API_ENDPOINT": False,
    "IP_ADDRESS_TYPE": "ipv4",
}
"""What `GATEWAYS` says of the gateway."""
HEADER = "integration.request.header."


DOMAIN_FIELDS = ("api_gateway_domain_name", "api_mapping_id", "custom_domain_created", "deployed_address")


@dataclass
class Site:
    """One gateway, its row, and boto3's own client to change things behind our back."""

    handle: GatewayHandle | None
    """None where the gateway is not in a local one."""
    aws: Any
    row: ApiGateway
    settings: Any
    """pytest-django's fixture."""
    options: dict[str, Any] = field(default_factory=lambda: dict(OPTIONS))
    """What `GATEWAYS` says of the gateway."""
    place: Place | None = None
    """Its custom domain; None where it has none."""
    calls: list[str] = field(default_factory=list)
    """Operations that reached the control plane since `counting()` began."""

    @property
    def api_id(self) -> str:
        return self.row.api_id

    @property
    def name(self) -> str:
        return self.row.api_name

    def sync(self, *options: str) -> Ended:
        """Run `sync_routes` for the gateway."""
        return run("sync_routes", self.name, *options)

    def route(self, route_key: str) -> dict[str, Any]:
        items = self.aws.get_routes(ApiId=self.api_id)["Items"]
        return next(item for item in items if item["RouteKey"] == route_key)

    def integration_id(self, route_key: str) -> str:
        return str(self.route(route_key)["Target"].removeprefix("integrations/"))

    def record(self) -> Any:
        """The API's record in the local gateway's store, for what its control plane would refuse."""
        assert self.handle is not None
        return self.handle.gateway.store.apis[self.api_id]

    def change_integration(self, route_key: str, **changes: Any) -> None:
        self.aws.update_integration(
            ApiId=self.api_id, IntegrationId=self.integration_id(route_key), **changes
        )

    def change_route(self, route_key: str, **changes: Any) -> None:
        self.aws.update_route(ApiId=self.api_id, RouteId=self.route(route_key)["RouteId"], **changes)

    def change_stage(self, **changes: Any) -> None:
        self.aws.update_stage(ApiId=self.api_id, StageName="production", **changes)

    def add_integration(self, uri: str = "https://www.example.com/elsewhere", **changes: Any) -> str:
        made = self.aws.create_integration(
            ApiId=self.api_id,
            **{
                "IntegrationType": "HTTP_PROXY",
                "IntegrationMethod": "POST",
                "IntegrationUri": uri,
                **changes,
            },
        )
        return str(made["IntegrationId"])

    def add_route(self, route_key: str, integration_id: str = "", **changes: Any) -> str:
        target = f"integrations/{integration_id or self.add_integration()}"
        made = self.aws.create_route(ApiId=self.api_id, RouteKey=route_key, Target=target, **changes)
        return str(made["RouteId"])

    @property
    def domain(self) -> Place:
        """Its custom domain, for the cases that need one."""
        assert self.place is not None
        return self.place

    def take_back(self, *keys: str) -> None:
        """Delete options of `GATEWAYS`."""
        self.configure({key: value for key, value in self.options.items() if key not in keys})

    def configure(self, options: dict[str, Any]) -> None:
        """Set what `GATEWAYS` says of the gateway."""
        configured = self.settings.WEBSOCKET_GATEWAY
        self.settings.WEBSOCKET_GATEWAY = {**configured, "GATEWAYS": {self.name: options}}

    def tag(self, path: str = "", **tags: str) -> None:
        self.aws.tag_resource(ResourceArn=self.arn(path), Tags=tags)

    def untag(self, *keys: str, path: str = "") -> None:
        self.aws.untag_resource(ResourceArn=self.arn(path), TagKeys=list(keys))

    def arn(self, path: str = "") -> str:
        region = self.aws.meta.region_name
        partition = self.aws.meta.partition
        return f"arn:{partition}:apigateway:{region}::/apis/{self.api_id}{path}"

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        """The operations that a command calls, while the block runs."""
        assert self.handle is not None
        self.calls.clear()

        def note(call: Call) -> None:
            if call.phase == "received":
                self.calls.append(call.operation)

        self.handle.faults.on_call = note
        try:
            yield self.calls
        finally:
            self.handle.faults.on_call = None


def build_row(name: str = "chat", **fields: Any) -> ApiGateway:
    """The row of the gateway, not in AWS yet, with its route `move` (one-way)."""
    row: ApiGateway = ApiGatewayFactory.create(
        planned=True,
        api_name=name,
        region_name="",
        api_description="Live",
        stage_description="For everybody",
        tags={"team": "web"},
        **fields,
    )
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=row,
        name="Moves",
        route_key="move",
        integration_url="https://www.example.com/moves",
        two_way=False,
    )
    return row


_STATES: dict[int, tuple[str, dict[str, str]]] = {}
"""By port: the store and the row's ids after the first creation."""
_IDS = ("api_id", "api_endpoint", "deployment_id", *DOMAIN_FIELDS)


def build_site(handle: GatewayHandle, settings: Any, place: Place | None = None) -> Site:
    """The gateway as wanted, with or without a custom domain; made once, then put back."""
    fields = place.row_fields if place else {}
    row = build_row(uuid=UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"), **fields)
    store = handle.gateway.store
    if handle.port not in _STATES:
        store.apis.clear()
        assert run("create_gateway", "chat").status == 0
        row.refresh_from_db()
        ids = {name: getattr(row, name) for name in _IDS}
        _STATES[handle.port] = (json.dumps(store.dump()), ids)
    state, ids = _STATES[handle.port]
    store.load(json.loads(state))
    if place is not None:
        place.put_records_back(ids["api_gateway_domain_name"])
    ApiGateway.objects.filter(pk=row.pk).update(**ids, api_created=True, last_error="")
    row.additional_routes.update(deployed=True)
    row.refresh_from_db()
    aws = boto3.client("apigatewayv2", endpoint_url=handle.endpoint_url)
    return Site(handle=handle, aws=aws, row=row, settings=settings, place=place)
