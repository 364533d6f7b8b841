"""A custom domain of the local gateway: made by boto3, and serving sockets and `@connections`."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest

from tests.local.conftest import World

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
from tests.local.refusals import CERTIFICATE, DOMAIN


def test_custom_domain_life(world: World, control: ApiGatewayV2Client) -> None:
    world.serve()
    domain = control.create_domain_name(**DOMAIN, Tags={"a": "1"})
    [configuration] = domain["DomainNameConfigurations"]
    assert configuration["DomainNameStatus"] == "UPDATING"
    assert configuration["ApiGatewayDomainName"].startswith("d-")
    assert configuration["HostedZoneId"]
    looks = [control.get_domain_name(DomainName="ws.example.com") for _ in range(2)]
    statuses = [look["DomainNameConfigurations"][0]["DomainNameStatus"] for look in looks]
    assert statuses == ["UPDATING", "AVAILABLE"]

    mapping = control.create_api_mapping(
        DomainName="ws.example.com", ApiId=world.api_id, Stage="prod", ApiMappingKey="chat"
    )
    ids = {"DomainName": "ws.example.com", "ApiMappingId": mapping["ApiMappingId"]}
    control.update_api_mapping(**ids, ApiId=world.api_id, ApiMappingKey="talk")
    assert control.get_api_mapping(**ids)["ApiMappingKey"] == "talk"
    assert len(control.get_api_mappings(DomainName="ws.example.com")["Items"]) == 1
    renewed = {**DOMAIN["DomainNameConfigurations"][0], "CertificateArn": CERTIFICATE + "2"}
    updated = control.update_domain_name(
        DomainName="ws.example.com",
        DomainNameConfigurations=[renewed],  # type: ignore[list-item]
    )
    [after] = updated["DomainNameConfigurations"]
    assert after["ApiGatewayDomainName"] == configuration["ApiGatewayDomainName"]
    with pytest.raises(control.exceptions.ConflictException):
        control.update_domain_name(
            DomainName="ws.example.com",
            DomainNameConfigurations=[renewed],  # type: ignore[list-item]
        )

    control.delete_api_mapping(**ids)
    control.delete_domain_name(DomainName="ws.example.com")
    assert control.get_domain_names()["Items"] == []


@pytest.mark.parametrize(
    ("key", "path"),
    [pytest.param("", "/", id="no key"), pytest.param("chat", "/chat", id="mapping key")],
)
def test_custom_domain_serves_sockets_and_connections(world: World, key: str, path: str) -> None:
    import socket as sockets

    world.serve(RequestParameters={"integration.request.header.wsDomain": "context.domainName"})
    world.control.create_domain_name(**DOMAIN)
    world.control.create_api_mapping(
        DomainName="ws.example.com", ApiId=world.api_id, Stage="prod", ApiMappingKey=key
    )
    world.api_endpoint = "ws://ws.example.com"
    plain = sockets.create_connection(("127.0.0.1", world.gateway.port))

    with world.connect(path, sock=plain) as socket:
        connection_id = world.connection_id()
        connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port)
        prefix = path.rstrip("/")
        connection.request(
            "POST",
            f"{prefix}/@connections/{connection_id.replace('=', '%3D')}",
            body=b"hello",
            headers={"Host": "ws.example.com", "Authorization": "AWS4-HMAC-SHA256 x"},
        )
        status = connection.getresponse().status
        connection.close()
        frame = socket.recv(timeout=5)

    assert (status, frame) == (200, "hello")
    assert world.backend.at("/connect")[0].header("wsDomain") == "ws.example.com"
