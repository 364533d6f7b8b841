"""A custom domain from the admin: the action, the plan that holds it, and what clients are told then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.admin.clients import act, address, client_with, text_of
from tests.factories import ApiGatewayFactory
from tests.support.commands import TARGET, run
from tests.support.moto import Moto, running_moto
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.connections.endpoints import find_socket_url
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db
EDITOR = ("view_apigateway", "change_apigateway", "provision_apigateway")


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Moto]:
    with running_moto() as moto:
        for service in ("ACM", "ROUTE_53", "STS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto.url)
        forget_clients()
        yield moto
    forget_clients()


def test_the_domain_is_in_the_plan_and_made_with_it(django_local_gateway: GatewayHandle, moto: Moto) -> None:
    moto.import_certificate("ws.example.com")
    zone = moto.create_zone("example.com")
    gateway = ApiGatewayFactory.create(
        planned=True, api_name="chat", domain_name="ws.example.com", hosted_zone_id=zone, region_name=""
    )
    client, url = client_with(*EDITOR), address("plan", gateway.pk)

    led = act(client, "create_custom_domain", gateway)
    page = text_of(client.get(url))
    found = re.search(r'name="fingerprint" value="(\w+)"', page)
    assert found is not None
    client.post(url, {"fingerprint": found[1]}, follow=True)

    gateway = ApiGateway.objects.get()
    assert led.status_code == 200
    assert "+ Would create domain ws.example.com" in page
    assert find_socket_url(gateway) == "wss://ws.example.com"
    assert set(moto.records(zone)) == {("ws.example.com", "A")}
    assert "Nothing to do" in text_of(client.get(url))


def test_an_earlier_path_is_listed_above_the_button_before_it_is_deleted(
    django_local_gateway: GatewayHandle, moto: Moto
) -> None:
    moto.import_certificate("ws.example.com")
    succeed("create_gateway", "chat", *TARGET, "--domain", "ws.example.com", "--mapping-key", "old")
    succeed("create_gateway", "chat", "--mapping-key", "new")
    aws: Any = boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)
    client, url = client_with(*EDITOR), address("plan", ApiGateway.objects.get().pk)

    page = text_of(client.get(url, {"prune": "1"}))
    kept = keys_of(aws)
    found = re.search(r'name="fingerprint" value="(\w+)"', page)
    assert found is not None
    client.post(url, {"fingerprint": found[1], "prune": "1"}, follow=True)

    assert "wsg-dangerous" in page
    assert "This deletes in AWS: api mapping ws.example.com/old." in page
    assert kept == {"old", "new"}
    assert keys_of(aws) == {"new"}


def succeed(*argv: str) -> None:
    ended = run(*argv)
    assert ended.status == 0, ended


def keys_of(aws: Any) -> set[str]:
    return {
        item.get("ApiMappingKey", "") for item in aws.get_api_mappings(DomainName="ws.example.com")["Items"]
    }
