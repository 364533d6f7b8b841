"""The calls that take something away, and what every call needs, against Stubber and moto."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from websocket_gateway.aws import apis as apis_module
from websocket_gateway.aws.apis import Apis
from websocket_gateway.aws.permissions import ACTIONS, needed_actions
from websocket_gateway.resources import Api, Integration, Route, RouteResponse, Stage

REGION = "eu-west-1"


@pytest.fixture
def stubbed() -> Iterator[tuple[Apis, Stubber]]:
    client = boto3.client("apigatewayv2", REGION)
    with Stubber(client) as stubber:
        yield Apis(region=REGION, client=client, origin_secret=str, sleep=lambda seconds: None), stubber
        stubber.assert_no_pending_responses()


def test_resources_are_deleted_by_their_ids(stubbed: tuple[Apis, Stubber]) -> None:
    apis, stubber = stubbed
    where = {"ApiId": "a1"}
    stubber.add_response("delete_route", {}, {**where, "RouteId": "r1"})
    stubber.add_response("delete_integration", {}, {**where, "IntegrationId": "i1"})
    stubber.add_response("delete_stage", {}, {**where, "StageName": "live"})
    stubber.add_response("delete_route_settings", {}, {**where, "StageName": "live", "RouteKey": "move"})
    parameter = "route.request.querystring.token"
    stubber.add_response(
        "delete_route_request_parameter", {}, {**where, "RouteId": "r1", "RequestParameterKey": parameter}
    )

    apis.delete_route("a1", "r1")
    apis.delete_integration("a1", "i1")
    apis.delete_stage("a1", "live")
    apis.delete_route_settings("a1", "live", "move")
    apis.delete_route_parameter("a1", "r1", parameter)


def test_what_is_gone_already_is_gone(stubbed: tuple[Apis, Stubber]) -> None:
    apis, stubber = stubbed
    stubber.add_client_error("delete_route", "NotFoundException", http_status_code=404)

    apis.delete_route("a1", "r1")


def test_tags_are_taken_off_by_arn(stubbed: tuple[Apis, Stubber]) -> None:
    apis, stubber = stubbed
    for path in ("apis/a1", "apis/a1/stages/live"):
        arn = f"arn:aws:apigateway:{REGION}::/{path}"
        stubber.add_response("untag_resource", {}, {"ResourceArn": arn, "TagKeys": ["team"]})

    apis.untag_api("a1", ["team"])
    apis.untag_stage("a1", "live", ["team"])


def test_a_stage_variable_is_removed_by_an_empty_value(stubbed: tuple[Apis, Stubber]) -> None:
    apis, stubber = stubbed
    stubber.add_response(
        "update_stage",
        {},
        {
            "ApiId": "a1",
            "StageName": "live",
            "AutoDeploy": False,
            "DefaultRouteSettings": {"DataTraceEnabled": False},
            "StageVariables": {"old": ""},
        },
    )

    apis.update_stage("a1", Stage(stage_name="live"), stale=["old"])


def test_responses_of_many_routes_are_read_to_the_last(stubbed: tuple[Apis, Stubber]) -> None:
    with mock_aws():
        apis = Apis(region=REGION, client=boto3.client("apigatewayv2", REGION), origin_secret=str)
        api_id = apis.create_api(
            Api(
                name="chat",
                route_selection_expression="$request.body.action",
                api_key_selection_expression="$request.header.x-api-key",
            )
        ).api_id
        target = apis.create_integration(
            api_id, Integration(description="", integration_uri="https://www.example.com/")
        )
        ids = [
            apis.create_route(api_id, Route(route_key=f"r{number}", integration_id=target))
            for number in range(3)
        ]
        apis.delete_route(api_id, ids[2])

        assert [route.route_id for route in apis.list_routes(api_id)] == ids[:2]
        apis.delete_integration(api_id, "no such integration")

    quiet, stubber = stubbed
    stubber.add_response(
        "get_route_responses",
        {"Items": [{"RouteResponseId": "rr1", "RouteResponseKey": "$default"}]},
        {"ApiId": "a1", "RouteId": "r1", "MaxResults": "100"},
    )
    assert quiet.list_responses_of("a1", []) == {}
    assert quiet.list_responses_of("a1", ["r1"]) == {"r1": (RouteResponse(route_response_id="rr1"),)}


def test_every_operation_that_is_called_says_which_action_it_needs() -> None:
    source = inspect.getsource(apis_module)
    called = {
        "".join(word.capitalize() for word in name.split("_"))
        for name in re.findall(r'self\.(?:call|create|delete|pages)\(\s*"(\w+)"', source)
    }
    model: Any = botocore.session.get_session().get_service_model("apigatewayv2")

    assert called <= set(ACTIONS)
    for operation in called:
        verb = model.operation_model(operation).http["method"]
        assert f"apigateway:{verb}" in ACTIONS[operation]
    assert needed_actions("CreateStage") == "apigateway:POST and apigateway:PUT"
    assert needed_actions("NoSuchCall") == ""
