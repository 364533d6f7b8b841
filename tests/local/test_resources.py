"""Resources of the control plane as boto3 makes, changes, lists, tags and deletes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.local.conftest import World

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
from tests.local.refusals import DOMAIN


def test_every_resource_lives_its_life(world: World, control: ApiGatewayV2Client) -> None:
    api_id = world.create_api(Tags={"a": "1"})
    api = control.get_api(ApiId=api_id)
    assert api["ApiEndpoint"] == f"ws://127.0.0.1:{world.gateway.port}/_api/{api_id}"
    assert api["CreatedDate"].tzinfo is not None
    assert (api["IpAddressType"], api["DisableExecuteApiEndpoint"]) == ("ipv4", False)
    assert api["ApiKeySelectionExpression"] == "$request.header.x-api-key"

    updated = control.update_api(ApiId=api_id, Description="new", DisableExecuteApiEndpoint=True)
    assert (updated["Name"], updated["Description"], updated["DisableExecuteApiEndpoint"]) == (
        "test",
        "new",
        True,
    )

    route_id = world.add_route("chat", two_way=True)
    control.update_route(ApiId=api_id, RouteId=route_id, RouteResponseSelectionExpression="$default")
    assert control.get_route(ApiId=api_id, RouteId=route_id)["RouteKey"] == "chat"
    [response] = control.get_route_responses(ApiId=api_id, RouteId=route_id)["Items"]
    ids: dict[str, Any] = {
        "ApiId": api_id,
        "RouteId": route_id,
        "RouteResponseId": response["RouteResponseId"],
    }
    assert control.get_route_response(**ids)["RouteResponseKey"] == "$default"
    control.update_route_response(**ids, ModelSelectionExpression="$x")
    control.delete_route_response(**ids)
    control.delete_route(ApiId=api_id, RouteId=route_id)
    assert control.get_routes(ApiId=api_id)["Items"] == []
    [integration] = control.get_integrations(ApiId=api_id)["Items"]
    assert (integration["TimeoutInMillis"], integration["PayloadFormatVersion"]) == (29000, "1.0")
    control.delete_integration(ApiId=api_id, IntegrationId=integration["IntegrationId"])

    control.delete_api(ApiId=api_id)
    assert control.get_apis()["Items"] == []


def test_update_integration_merges_request_parameters(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    header = "integration.request.header."
    integration = world.add_integration(RequestParameters={header + "a": "'1'", header + "b": "'2'"})

    answer = control.update_integration(
        ApiId=world.api_id,
        IntegrationId=integration,
        RequestParameters={header + "a": "", header + "c": "context.stage"},
    )

    assert answer["RequestParameters"] == {header + "b": "'2'", header + "c": "context.stage"}
    assert answer["IntegrationMethod"] == "POST"


def test_stage_settings(world: World, control: ApiGatewayV2Client) -> None:
    api_id = world.create_api()

    made = control.create_stage(
        ApiId=api_id,
        StageName="prod",
        DefaultRouteSettings={"ThrottlingRateLimit": 50.0},
        StageVariables={"a": "1", "b": "2"},
    )
    changed = control.update_stage(
        ApiId=api_id,
        StageName="prod",
        StageVariables={"a": ""},
        RouteSettings={"chat": {"ThrottlingBurstLimit": 1}},
        AccessLogSettings={
            "DestinationArn": "arn:aws:logs:eu-west-1:0:log-group:x",
            "Format": "$context.requestId",
        },
    )

    assert made["DefaultRouteSettings"] == {
        "DataTraceEnabled": False,
        "DetailedMetricsEnabled": False,
        "LoggingLevel": "OFF",
        "ThrottlingBurstLimit": 5000,
        "ThrottlingRateLimit": 50.0,
    }
    assert changed["StageVariables"] == {"b": "2"}
    control.delete_route_settings(ApiId=api_id, StageName="prod", RouteKey="chat")
    control.delete_access_log_settings(ApiId=api_id, StageName="prod")
    after = control.get_stage(ApiId=api_id, StageName="prod")
    assert after["RouteSettings"] == {}
    assert "AccessLogSettings" not in after


def test_lists_come_in_pages(world: World, control: ApiGatewayV2Client) -> None:
    names = [f"api{number}" for number in range(7)]
    for name in names:
        world.create_api(Name=name)

    pages = list(control.get_paginator("get_apis").paginate(PaginationConfig={"PageSize": 3}))

    assert [len(page["Items"]) for page in pages] == [3, 3, 1]
    assert [item["Name"] for page in pages for item in page["Items"]] == names


def test_a_page_holds_a_hundred(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    for number in range(101):
        control.create_route(ApiId=world.api_id, RouteKey=f"r{number}")

    page = control.get_routes(ApiId=world.api_id)

    assert len(page["Items"]) == 100
    assert len(control.get_routes(ApiId=world.api_id, NextToken=page["NextToken"])["Items"]) == 1


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/apis/{api}", id="api"),
        pytest.param("/apis/{api}/stages/prod", id="stage"),
        pytest.param("/domainnames/ws.example.com", id="domain"),
    ],
)
def test_tags(world: World, control: ApiGatewayV2Client, path: str) -> None:
    world.create_api()
    control.create_stage(ApiId=world.api_id, StageName="prod")
    control.create_domain_name(**DOMAIN)
    arn = "arn:aws:apigateway:eu-west-1::" + path.format(api=world.api_id)

    control.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "", "c d": "x/y"})
    control.untag_resource(ResourceArn=arn, TagKeys=["a", "unknown"])

    assert control.get_tags(ResourceArn=arn)["Tags"] == {"b": "", "c d": "x/y"}
