"""What the tests of the commands share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.factories import WebSocketSessionFactory
from tests.legacy import schema
from tests.sink import gateway_fixture, sink_fixture
from tests.support.commands import TARGET, run
from tests.support.moto import Moto, moto_fixture, moto_server_fixture
from tests.support.queues.stopped import enqueued_fixture
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

__all__ = ["enqueued_fixture", "gateway_fixture", "moto_fixture", "moto_server_fixture", "sink_fixture"]


@pytest.fixture
def aws(django_local_gateway: GatewayHandle) -> Any:
    """boto3's own client of the control plane that the command talks to."""
    return boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)


@pytest.fixture
def chat(aws: Any) -> ApiGateway:
    """A gateway that is in AWS."""
    assert run("create_gateway", "chat", *TARGET).status == 0
    return ApiGateway.objects.get()


@pytest.fixture
def old_tables() -> Iterator[None]:
    """The tables of the other package, empty."""
    with schema.legacy_tables(*schema.TABLES):
        yield


@pytest.fixture
def zone(moto: Moto) -> str:
    """A hosted zone above the custom domain; its id."""
    return moto.create_zone("example.com")


@pytest.fixture
def lobby(gateway: ApiGateway) -> None:
    """Three sockets in the channel `lobby`."""
    for number in range(3):
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=f"lobby{number}=")
