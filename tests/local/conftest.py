"""A running gateway, a backend behind it and boto3's own clients in front."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from websockets.sync.client import ClientConnection, connect

from tests.local.backend import Backend
from websocket_gateway.testing.gateway import (
    GatewayHandle,
    django_local_gateway_fixture,
    local_gateway,
    local_gateway_fixture,
)

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client

__all__ = ["django_local_gateway_fixture", "local_gateway_fixture"]

SECRET = "testing"


class World:
    """One gateway with one backend, and short words for what tests do with them."""

    def __init__(self, gateway: GatewayHandle, backend: Backend) -> None:
        self.gateway = gateway
        self.backend = backend
        self.control: Any = client("apigatewayv2", gateway.endpoint_url)
        self.api_id = ""
        self.api_endpoint = ""

    def create_api(self, **fields: Any) -> str:
        """An API that later calls refer to."""
        defaults: dict[str, Any] = {
            "Name": "test",
            "ProtocolType": "WEBSOCKET",
            "RouteSelectionExpression": "$request.body.action",
        }
        api = self.control.create_api(**{**defaults, **fields})
        self.api_id, self.api_endpoint = api["ApiId"], api["ApiEndpoint"]
        return self.api_id

    def add_integration(self, path: str = "/x", **fields: Any) -> str:
        """An HTTP_PROXY integration to the backend."""
        defaults: dict[str, Any] = {
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "POST",
            "IntegrationUri": self.backend.url + path,
        }
        return str(
            self.control.create_integration(ApiId=self.api_id, **{**defaults, **fields})["IntegrationId"]
        )

    def add_route(
        self,
        key: str,
        path: str = "",
        *,
        two_way: bool = False,
        route: dict[str, Any] | None = None,
        **fields: Any,
    ) -> str:
        """A route with an integration of its own."""
        integration = self.add_integration(path or "/" + key.removeprefix("$"), **fields)
        created = self.control.create_route(
            ApiId=self.api_id, RouteKey=key, Target=f"integrations/{integration}", **(route or {})
        )
        if two_way:
            self.control.create_route_response(
                ApiId=self.api_id, RouteId=created["RouteId"], RouteResponseKey="$default"
            )
        return str(created["RouteId"])

    def deploy(self, stage: str = "prod", **fields: Any) -> str:
        """Deploy to a stage, made if it is not there."""
        if not any(
            item["StageName"] == stage for item in self.control.get_stages(ApiId=self.api_id)["Items"]
        ):
            self.control.create_stage(ApiId=self.api_id, StageName=stage, **fields)
        return str(self.control.create_deployment(ApiId=self.api_id, StageName=stage)["DeploymentId"])

    def serve(self, *, two_way: bool = True, **fields: Any) -> None:
        """The usual API: connect, default and disconnect, deployed."""
        self.create_api()
        self.add_route("$connect", **fields)
        self.add_route("$default", two_way=two_way, **fields)
        self.add_route("$disconnect", **fields)
        self.deploy()

    def connect(self, path: str = "/prod", **fields: Any) -> ClientConnection:
        """A socket; close it with `with`."""
        options: dict[str, Any] = {"compression": None, "proxy": None, "close_timeout": 2, **fields}
        socket: ClientConnection = connect(self.api_endpoint + path, **options)
        return socket

    def connection_id(self) -> str:
        """The id of the one open socket."""
        self.gateway.wait_until(self.gateway.connections)
        [connection] = self.gateway.connections()
        return connection.id

    def management(self, stage: str = "prod", **fields: Any) -> ApiGatewayManagementApiClient:
        """boto3's client for `@connections`."""
        url = f"{self.api_endpoint.replace('ws', 'http', 1)}/{stage}"
        made: ApiGatewayManagementApiClient = client("apigatewaymanagementapi", url, **fields)
        return made


def client(service: str, endpoint_url: str, *, secret: str = SECRET, **config: Any) -> Any:
    """A boto3 client as anybody makes one; one attempt, so that refusals are seen at once."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint_url,
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, **config),
    )


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A backend that echoes."""
    server = Backend()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def gateway_options() -> dict[str, Any]:
    """Options of the gateway; parametrize it to change them."""
    return {}


@pytest.fixture
def world(backend: Backend, gateway_options: dict[str, Any]) -> Iterator[World]:
    """A gateway without resources, with a backend at hand."""
    with local_gateway(**gateway_options) as gateway:
        yield World(gateway, backend)


@pytest.fixture
def control(world: World) -> ApiGatewayV2Client:
    """boto3's client of the control plane."""
    made: ApiGatewayV2Client = world.control
    return made
