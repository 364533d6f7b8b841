"""The control plane adapter, against moto where it tells the truth and botocore's Stubber elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from django.test import override_settings
from moto import mock_aws

from tests.diagnostics.servers import answering
from websocket_gateway.aws.apis import Apis
from websocket_gateway.exceptions import (
    ConflictError,
    EndpointUnreachableError,
    InvalidRequestError,
    ServiceError,
    ThrottledError,
)
from websocket_gateway.origin_secret import secret_fingerprint
from websocket_gateway.resources import (
    Api,
    Deployment,
    Integration,
    Route,
    RouteResponse,
    Stage,
    frozen,
)

REGION = "eu-west-1"
CONNECTION_ID = "integration.request.header.connectionId"
API = Api(
    name="chat",
    description="Live",
    route_selection_expression="$request.body.action",
    api_key_selection_expression="$request.header.x-api-key",
    tags=frozen({"websocket_gateway:uuid": "u1"}),
)
INTEGRATION = Integration(
    description="websocket_gateway u1 f1 $default",
    integration_uri="https://www.example.com/ws/default",
    request_parameters=frozen({CONNECTION_ID: "context.connectionId"}),
)


def secret_of(api_id: str) -> str:
    return f"secret-of-{api_id}"


@pytest.fixture
def apis() -> Iterator[Apis]:
    with mock_aws():
        yield Apis(region=REGION, client=boto3.client("apigatewayv2", REGION), origin_secret=secret_of)


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def stubbed(pauses: list[float]) -> Iterator[tuple[Apis, Stubber]]:
    client = boto3.client("apigatewayv2", REGION)
    with Stubber(client) as stubber:
        yield (
            Apis(region=REGION, client=client, origin_secret=secret_of, sleep=pauses.append),
            stubber,
        )
        stubber.assert_no_pending_responses()


def test_an_api_is_created_found_updated_and_listed(apis: Apis) -> None:
    created = apis.create_api(API)
    boto3.client("apigatewayv2", REGION).create_api(Name="http", ProtocolType="HTTP")

    assert created.api_id
    assert created.api_endpoint.endswith(".execute-api.eu-west-1.amazonaws.com")
    assert apis.find_api(created.api_id) == created
    assert apis.list_apis() == (created,)
    assert apis.find_api("unknown") is None
    apis.update_api(created.api_id, replace(API, description="Other"))
    found = apis.find_api(created.api_id)
    assert found is not None
    assert (found.description, found.name) == ("Other", "chat")
    assert found.tags == API.tags


def test_integrations_and_routes_come_back_as_they_were_made(apis: Apis) -> None:
    api_id = apis.create_api(API).api_id

    integration_id = apis.create_integration(api_id, INTEGRATION)
    route = Route(route_key="$default", integration_id=integration_id)
    route_id = apis.create_route(api_id, route)

    (integration,) = apis.list_integrations(api_id)
    assert integration == replace(
        INTEGRATION,
        integration_id=integration_id,
        secret_fingerprint=secret_fingerprint(secret_of(api_id)),
    )
    assert apis.list_routes(api_id) == (replace(route, route_id=route_id),)


def test_the_secret_is_sent_in_quotes_and_shown_nowhere(apis: Apis) -> None:
    api_id = apis.create_api(API).api_id
    apis.create_integration(api_id, INTEGRATION)

    (sent,) = boto3.client("apigatewayv2", REGION).get_integrations(ApiId=api_id)["Items"]

    name = "integration.request.header.wsOriginSecret"
    assert sent["RequestParameters"][name] == f"'{secret_of(api_id)}'"
    assert secret_of(api_id) not in repr(apis) + repr(apis.list_integrations(api_id))


def test_an_update_of_an_integration_removes_parameters_that_are_not_wanted(
    stubbed: tuple[Apis, Stubber],
) -> None:
    apis, stubber = stubbed
    expected = {
        "ApiId": "a1",
        "IntegrationId": "i1",
        "Description": INTEGRATION.description,
        "IntegrationType": "HTTP_PROXY",
        "IntegrationMethod": "POST",
        "IntegrationUri": INTEGRATION.integration_uri,
        "ConnectionType": "INTERNET",
        "PayloadFormatVersion": "1.0",
        "PassthroughBehavior": "WHEN_NO_MATCH",
        "TimeoutInMillis": 29_000,
        "RequestParameters": {
            CONNECTION_ID: "context.connectionId",
            "integration.request.header.wsOriginSecret": "'secret-of-a1'",
            "integration.request.header.stale": "",
        },
    }
    stubber.add_response("update_integration", {}, expected)

    apis.update_integration(
        "a1",
        replace(INTEGRATION, integration_id="i1"),
        stale={"integration.request.header.stale": "'1'", CONNECTION_ID: "'x'"},
    )


def test_every_list_is_read_to_its_last_page(stubbed: tuple[Apis, Stubber]) -> None:
    apis, stubber = stubbed
    page = {"ApiId": "a1", "MaxResults": "100"}
    stubber.add_response(
        "get_routes", {"Items": [{"RouteId": "1", "RouteKey": "a"}], "NextToken": "t1"}, page
    )
    stubber.add_response("get_routes", {"Items": [], "NextToken": "t2"}, {**page, "NextToken": "t1"})
    stubber.add_response(
        "get_routes", {"Items": [{"RouteId": "2", "RouteKey": "b"}]}, {**page, "NextToken": "t2"}
    )

    assert [route.route_key for route in apis.list_routes("a1")] == ["a", "b"]


def test_route_responses_are_made_listed_and_deleted(stubbed: tuple[Apis, Stubber]) -> None:
    apis, stubber = stubbed
    where = {"ApiId": "a1", "RouteId": "r1"}
    stubber.add_response(
        "create_route_response", {"RouteResponseId": "rr1"}, {**where, "RouteResponseKey": "$default"}
    )
    stubber.add_response(
        "get_route_responses",
        {"Items": [{"RouteResponseId": "rr1", "RouteResponseKey": "$default"}]},
        {**where, "MaxResults": "100"},
    )
    stubber.add_response("delete_route_response", {}, {**where, "RouteResponseId": "rr1"})

    assert apis.create_route_response("a1", "r1", RouteResponse()) == "rr1"
    assert apis.list_route_responses("a1", "r1") == (RouteResponse(route_response_id="rr1"),)
    apis.delete_route_response("a1", "r1", "rr1")


def test_a_stage_says_only_what_is_wanted(stubbed: tuple[Apis, Stubber]) -> None:
    apis, stubber = stubbed
    plain = Stage(stage_name="live", logging_level="OFF", tags=frozen({"a": "b"}))
    stubber.add_response(
        "create_stage",
        {},
    )
    full = replace(
        plain,
        throttling_rate_limit=5.0,
        throttling_burst_limit=10,
        access_log_arn="arn:aws:logs:eu-west-1:123456789012:log-group:ws",
        access_log_format="$context.requestId",
        stage_variables=frozen({"colour": "blue"}),
    )
    stubber.add_response(
        "update_stage",
        {},
        {
            "ApiId": "a1",
            "StageName": "live",
            "AutoDeploy": False,
            "DefaultRouteSettings": {
                "ThrottlingRateLimit": 5.0,
                "ThrottlingBurstLimit": 10,
                "LoggingLevel": "OFF",
                "DataTraceEnabled": False,
            },
            "AccessLogSettings": {
                "DestinationArn": "arn:aws:logs:eu-west-1:123456789012:log-group:ws",
                "Format": "$context.requestId",
            },
            "StageVariables": {"colour": "blue"},
        },
    )

    apis.create_stage("a1", plain)
    apis.update_stage("a1", full)


def test_deployments_are_made_for_a_stage_and_found_again(stubbed: tuple[Apis, Stubber]) -> None:
    apis, stubber = stubbed
    stubber.add_response(
        "create_deployment",
        {"DeploymentId": "d1", "DeploymentStatus": "PENDING"},
        {"ApiId": "a1", "StageName": "live", "Description": "mark"},
    )
    stubber.add_response(
        "get_deployment",
        {"DeploymentId": "d1", "DeploymentStatus": "FAILED", "DeploymentStatusMessage": "why"},
        {"ApiId": "a1", "DeploymentId": "d1"},
    )
    stubber.add_client_error("get_deployment", "NotFoundException", http_status_code=404)

    made = apis.create_deployment("a1", stage_name="live", description="mark")

    assert made == Deployment(deployment_id="d1", status="PENDING")
    found = apis.find_deployment("a1", "d1")
    assert found == Deployment(deployment_id="d1", status="FAILED", status_message="why")
    assert apis.find_deployment("a1", "d1") is None


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_tags_are_set_by_the_arn_of_the_region_s_partition(
    stubbed: tuple[Apis, Stubber], region: str, partition: str
) -> None:
    apis, stubber = stubbed
    for path in ("apis/a1", "apis/a1/stages/live"):
        arn = f"arn:{partition}:apigateway:{region}::/{path}"
        stubber.add_response("tag_resource", {}, {"ResourceArn": arn, "Tags": {"a": "b"}})

    replace(apis, region=region).tag_api("a1", {"a": "b"})
    replace(apis, region=region).tag_stage("a1", "live", {"a": "b"})


def test_throttling_is_waited_out_for_every_kind_of_call(
    stubbed: tuple[Apis, Stubber], pauses: list[float]
) -> None:
    apis, stubber = stubbed
    for _ in range(2):
        stubber.add_client_error("create_route", "TooManyRequestsException", http_status_code=429)
    stubber.add_response("create_route", {"RouteId": "r1"})

    assert apis.create_route("a1", Route(route_key="move", integration_id="i1")) == "r1"
    assert len(pauses) == 2
    assert 0.5 <= pauses[0] <= 1 <= pauses[1] <= 2


def test_throttling_that_does_not_end_is_reported_in_the_end(
    stubbed: tuple[Apis, Stubber], pauses: list[float]
) -> None:
    apis, stubber = stubbed
    for _ in range(6):
        stubber.add_client_error("get_api", "TooManyRequestsException", http_status_code=429)

    with pytest.raises(ThrottledError):
        apis.find_api("a1")
    assert len(pauses) == 5


def test_a_lost_answer_is_asked_for_again_unless_the_call_creates(
    stubbed: tuple[Apis, Stubber], pauses: list[float]
) -> None:
    apis, stubber = stubbed
    stubber.add_client_error("get_api", "503", http_status_code=503)
    stubber.add_response("get_api", {"ApiId": "a1"})
    stubber.add_client_error("create_api", "503", http_status_code=503)

    found = apis.find_api("a1")
    with pytest.raises(Exception, match="CreateApi"):
        apis.create_api(API)

    assert found is not None
    assert len(pauses) == 1


def test_refusals_are_not_repeated(stubbed: tuple[Apis, Stubber], pauses: list[float]) -> None:
    apis, stubber = stubbed
    stubber.add_client_error("create_route", "ConflictException", http_status_code=409)
    stubber.add_client_error("create_route", "BadRequestException", http_status_code=400)

    for expected in (ConflictError, InvalidRequestError):
        with pytest.raises(expected):
            apis.create_route("a1", Route(route_key="move", integration_id="i1"))
    assert pauses == []


@pytest.mark.parametrize(
    "body", [b"<html>Please log in</html>", b'{"items": [{"apiId":', b'["items"]', b"null"]
)
def test_a_success_that_is_no_json_object_is_no_empty_account(body: bytes, pauses: list[float]) -> None:
    with (
        answering(body=body, headers={"Content-Type": "application/json"}) as server,
        override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": server.url}),
    ):
        apis = Apis.in_region(REGION, origin_secret=secret_of, sleep=pauses.append)

        with pytest.raises(ServiceError, match="did not come from API Gateway"):
            apis.list_apis()


def test_pages_that_lead_round_in_a_circle_end(stubbed: tuple[Apis, Stubber]) -> None:
    apis, stubber = stubbed
    for token in ("one", "two", "one"):
        stubber.add_response("get_apis", {"Items": [], "NextToken": token})

    with pytest.raises(ServiceError, match="did not come from API Gateway"):
        apis.list_apis()


def test_an_endpoint_that_refuses_connections_is_unreachable(pauses: list[float]) -> None:
    client: Any = boto3.client("apigatewayv2", REGION, endpoint_url="http://127.0.0.1:9")
    apis = Apis(region=REGION, client=client, origin_secret=secret_of, sleep=pauses.append)

    with pytest.raises(EndpointUnreachableError, match="http://127.0.0.1:9"):
        apis.find_api("a1")
    assert len(pauses) == 2
