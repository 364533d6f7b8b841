"""Custom domains and mappings, against the local gateway's control plane and botocore's own model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from websocket_gateway.aws.clients import control_plane_client
from websocket_gateway.aws.domains import Domains
from websocket_gateway.exceptions import ThrottledError
from websocket_gateway.resources import ApiMapping, Domain, frozen
from websocket_gateway.testing.gateway import GatewayHandle

REGION = "eu-west-1"
ARN = "arn:aws:acm:eu-west-1:123456789012:certificate/"
WANTED = Domain(domain_name="ws.example.com", certificate_arn=ARN + "1", tags=frozen({"team": "web"}))


@pytest.fixture
def domains(django_local_gateway: GatewayHandle) -> Domains:
    return Domains(region=REGION, client=control_plane_client(REGION), sleep=lambda seconds: None)


@pytest.fixture
def api_id(django_local_gateway: GatewayHandle) -> str:
    aws = boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)
    made = aws.create_api(Name="a", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
    for stage in ("production", "test"):
        aws.create_stage(ApiId=made["ApiId"], StageName=stage)
    return str(made["ApiId"])


def settled(domains: Domains) -> Domain:
    domains.find_domain(WANTED.domain_name)
    found = domains.find_domain(WANTED.domain_name)
    assert found is not None
    return found


def test_a_domain_is_created_with_its_tags_and_becomes_available(domains: Domains) -> None:
    made = domains.create_domain(WANTED)

    found = settled(domains)
    assert (made.domain_name_status, found.domain_name_status) == ("UPDATING", "AVAILABLE")
    assert (found.certificate_arn, dict(found.tags)) == (WANTED.certificate_arn, {"team": "web"})
    assert (found.endpoint_type, found.security_policy) == ("REGIONAL", "TLS_1_2")
    assert found.target
    assert found.target_zone_id
    assert [item.domain_name for item in domains.list_domains()] == [WANTED.domain_name]


def test_a_domain_that_is_not_there_is_none(domains: Domains) -> None:
    assert domains.find_domain("ws.example.com") is None


def test_certificate_and_tags_can_be_changed(domains: Domains) -> None:
    domains.create_domain(WANTED)
    settled(domains)

    domains.update_domain(replace(WANTED, certificate_arn=ARN + "2"))
    domains.tag_domain(WANTED.domain_name, {"cost": "7"})

    found = settled(domains)
    assert found.certificate_arn == ARN + "2"
    assert dict(found.tags) == {"team": "web", "cost": "7"}


def test_a_mapping_is_made_led_elsewhere_and_taken_away(domains: Domains, api_id: str) -> None:
    domains.create_domain(WANTED)
    name = WANTED.domain_name
    mapping = ApiMapping(api_id=api_id, stage="production", api_mapping_key="chat")

    made = replace(mapping, api_mapping_id=domains.create_mapping(name, mapping))
    assert domains.list_mappings(name) == (made,)

    changed = replace(made, stage="test")
    domains.update_mapping(name, changed)
    assert domains.list_mappings(name) == (changed,)

    domains.delete_mapping(name, made.api_mapping_id)
    assert domains.list_mappings(name) == ()


def test_deleting_what_is_gone_is_no_error(domains: Domains) -> None:
    domains.create_domain(WANTED)

    domains.delete_mapping(WANTED.domain_name, "m1")
    domains.delete_domain(WANTED.domain_name)
    domains.delete_domain(WANTED.domain_name)

    assert domains.list_domains() == ()


def test_mappings_come_page_after_page() -> None:
    client: Any = boto3.client("apigatewayv2", region_name=REGION)
    first = {"ApiId": "a", "ApiMappingId": "m1", "Stage": "production"}
    second = {**first, "ApiMappingId": "m2", "ApiMappingKey": "chat"}
    with Stubber(client) as stubber:
        stubber.add_response("get_api_mappings", {"Items": [first], "NextToken": "more"})
        stubber.add_response("get_api_mappings", {"Items": [second]})

        found = Domains(region=REGION, client=client).list_mappings("ws.example.com")

        stubber.assert_no_pending_responses()
    assert [(item.api_mapping_id, item.api_mapping_key) for item in found] == [("m1", ""), ("m2", "chat")]


def test_throttling_is_waited_out_as_often_as_told() -> None:
    client: Any = boto3.client("apigatewayv2", region_name=REGION)
    lines: list[str] = []
    domains = Domains(
        region=REGION, client=client, throttled_attempts=3, on_wait=lines.append, sleep=lambda seconds: None
    )
    with Stubber(client) as stubber:
        for _ in range(3):
            stubber.add_client_error("create_domain_name", "TooManyRequestsException", http_status_code=429)
        with pytest.raises(ThrottledError):
            domains.create_domain(WANTED)

        stubber.assert_no_pending_responses()
    assert len(lines) == 2
    assert all("CreateDomainName" in line for line in lines)
