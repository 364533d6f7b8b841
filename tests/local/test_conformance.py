"""What AWS does, as far as AWS.md knows it, asked of the local gateway by boto3 and a WebSocket client.

Every table row is one fact: its id says which.
"""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.local.backend import Received, Reply
from tests.local.conftest import World

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client

Call = Callable[[World], object]
CERTIFICATE = "arn:aws:acm:eu-west-1:000000000000:certificate/1"
DOMAIN: dict[str, Any] = {
    "DomainName": "ws.example.com",
    "DomainNameConfigurations": [
        {"CertificateArn": CERTIFICATE, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    ],
}


def refused(call: Callable[[], object]) -> tuple[int, str]:
    """The status and error code that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call()
    return (
        caught.value.response["ResponseMetadata"]["HTTPStatusCode"],
        caught.value.response["Error"]["Code"],
    )


# --- control plane ---------------------------------------------------------------------------------

BAD = (400, "BadRequestException")
MISSING = (404, "NotFoundException")
CONFLICT = (409, "ConflictException")
QUOTA = (429, "TooManyRequestsException")


def _api(**fields: Any) -> Call:
    return lambda world: world.create_api(**fields)


def _integration(**fields: Any) -> Call:
    return lambda world: world.add_integration(**fields)


def _mapping(key: str, value: str) -> Call:
    return lambda world: world.add_integration(RequestParameters={key: value})


def _route(key: str, **fields: Any) -> Call:
    return lambda world: world.control.create_route(ApiId=world.api_id, RouteKey=key, **fields)


def _stage(name: str, **fields: Any) -> Call:
    return lambda world: world.control.create_stage(ApiId=world.api_id, StageName=name, **fields)


def _domain(**fields: Any) -> Call:
    return lambda world: world.control.create_domain_name(**{**DOMAIN, **fields})


def _domain_configuration(**fields: Any) -> Call:
    configuration = {**DOMAIN["DomainNameConfigurations"][0], **fields}
    return _domain(DomainNameConfigurations=[configuration])


def _api_mapping(key: str = "", stage: str = "prod", api_id: str | None = None) -> Call:
    def call(world: World) -> object:
        world.control.create_domain_name(**DOMAIN)
        return world.control.create_api_mapping(
            DomainName="ws.example.com", ApiId=api_id or world.api_id, Stage=stage, ApiMappingKey=key
        )

    return call


def _twice(call: Call) -> Call:
    return lambda world: (call(world), call(world))


def _delete_used_integration(world: World) -> object:
    world.add_route("$default")
    [integration] = world.control.get_integrations(ApiId=world.api_id)["Items"]
    return world.control.delete_integration(ApiId=world.api_id, IntegrationId=integration["IntegrationId"])


def _route_response(key: str, times: int = 1) -> Call:
    def call(world: World) -> None:
        route_id = world.add_route("$default")
        for _ in range(times):
            world.control.create_route_response(ApiId=world.api_id, RouteId=route_id, RouteResponseKey=key)

    return call


def _map_then(call: Call) -> Call:
    return lambda world: (_api_mapping()(world), call(world))


def _delete_served_deployment(world: World) -> object:
    world.add_route("$default")
    return world.control.delete_deployment(ApiId=world.api_id, DeploymentId=world.deploy())


CONTROL_REFUSALS = [
    pytest.param(_api(ProtocolType="HTTP"), BAD, id="api: only WEBSOCKET"),
    pytest.param(_api(RouteSelectionExpression=""), BAD, id="api: selection expression required"),
    pytest.param(_api(RouteSelectionExpression="$request.body"), BAD, id="api: invalid selection expression"),
    pytest.param(_api(Name="n" * 129), BAD, id="api: name up to 128"),
    pytest.param(_api(Description="d" * 1025), BAD, id="api: description up to 1024"),
    pytest.param(_api(CorsConfiguration={"MaxAge": 1}), BAD, id="api: no CORS"),
    pytest.param(_api(RouteKey="x"), BAD, id="api: no RouteKey"),
    pytest.param(_api(Target="http://x/"), BAD, id="api: no Target"),
    pytest.param(_api(CredentialsArn="arn:x"), BAD, id="api: no CredentialsArn"),
    pytest.param(_api(IpAddressType="ipv6"), BAD, id="api: enum of IpAddressType"),
    pytest.param(_api(Tags={"aws:x": "1"}), BAD, id="api: tags must not start with aws:"),
    pytest.param(lambda w: w.control.get_api(ApiId="nope"), MISSING, id="api: unknown"),
    pytest.param(lambda w: w.control.delete_api(ApiId="nope"), MISSING, id="api: delete unknown"),
    pytest.param(
        _map_then(lambda w: w.control.delete_api(ApiId=w.api_id)), BAD, id="api: mapped by a domain stays"
    ),
    pytest.param(lambda w: w.control.get_apis(MaxResults="0"), BAD, id="list: MaxResults at least 1"),
    pytest.param(lambda w: w.control.get_apis(MaxResults="x"), BAD, id="list: MaxResults a number"),
    pytest.param(lambda w: w.control.get_apis(NextToken="x"), BAD, id="list: NextToken as it was given"),
    pytest.param(_integration(IntegrationType="NOPE"), BAD, id="integration: enum of type"),
    pytest.param(_integration(IntegrationUri="no-url"), BAD, id="integration: URI is a URL"),
    pytest.param(_integration(IntegrationUri="http://x:99999/"), BAD, id="integration: URI has a real port"),
    pytest.param(
        _integration(IntegrationUri="http://x/" + "y" * 2048), BAD, id="integration: URI up to 2048"
    ),
    pytest.param(_integration(IntegrationMethod=""), BAD, id="integration: method required"),
    pytest.param(_integration(TimeoutInMillis=29001), BAD, id="integration: timeout up to 29 s"),
    pytest.param(_integration(PayloadFormatVersion="2.0"), BAD, id="integration: payload format 1.0"),
    pytest.param(_integration(IntegrationSubtype="x"), BAD, id="integration: no subtype"),
    pytest.param(_integration(TlsConfig={"ServerNameToVerify": "x"}), BAD, id="integration: no TlsConfig"),
    pytest.param(
        _integration(ResponseParameters={"200": {"a": "b"}}), BAD, id="integration: no response parameters"
    ),
    pytest.param(_mapping("integration.request.header.a b", "'x'"), BAD, id="mapping: name pattern"),
    pytest.param(_mapping("method.request.header.a", "'x'"), BAD, id="mapping: key prefix"),
    pytest.param(_mapping("integration.request.header.a", "x"), BAD, id="mapping: static needs quotes"),
    pytest.param(_mapping("integration.request.header.a", "'it's'"), BAD, id="mapping: no quote inside"),
    pytest.param(_mapping("integration.request.header.a", ""), BAD, id="mapping: not empty"),
    pytest.param(
        _mapping("integration.request.header.a", f"'{'x' * 511}'"), BAD, id="mapping: values up to 512"
    ),
    pytest.param(
        lambda w: w.control.delete_integration(ApiId=w.api_id, IntegrationId="x"),
        MISSING,
        id="integration: unknown",
    ),
    pytest.param(_delete_used_integration, CONFLICT, id="integration: used by a route stays"),
    pytest.param(_route("$nope"), BAD, id="route: reserved prefix"),
    pytest.param(_route(""), BAD, id="route: key not empty"),
    pytest.param(_twice(_route("chat")), CONFLICT, id="route: duplicate key"),
    pytest.param(_route("chat", Target="nope"), BAD, id="route: target form"),
    pytest.param(_route("chat", Target="integrations/nope"), MISSING, id="route: target unknown"),
    pytest.param(
        _route("chat", RouteResponseSelectionExpression="$x"), BAD, id="route: only $default answers"
    ),
    pytest.param(_route("chat", AuthorizationType="JWT"), BAD, id="route: no JWT"),
    pytest.param(
        _route("chat", AuthorizationType="AWS_IAM"), BAD, id="route: authorization at $connect only"
    ),
    pytest.param(
        _route("$connect", RequestParameters={"route.request.body.x": {"Required": False}}),
        BAD,
        id="route: request parameter key",
    ),
    pytest.param(_route_response("other"), BAD, id="route response: only $default"),
    pytest.param(_route_response("$default", 2), CONFLICT, id="route response: duplicate"),
    pytest.param(_stage("a b"), BAD, id="stage: name pattern"),
    pytest.param(_stage("s" * 129), BAD, id="stage: name up to 128"),
    pytest.param(_stage("$default"), BAD, id="stage: no $default"),
    pytest.param(_stage("prod"), CONFLICT, id="stage: duplicate"),
    pytest.param(_stage("s", StageVariables={"a-b": "x"}), BAD, id="stage variable: name"),
    pytest.param(_stage("s", StageVariables={"a": "100%"}), BAD, id="stage variable: value"),
    pytest.param(
        _stage("s", AccessLogSettings={"DestinationArn": "arn:aws:logs:x", "Format": "$context.stage"}),
        BAD,
        id="stage: log format needs the request id",
    ),
    pytest.param(_stage("s", DeploymentId="nope"), MISSING, id="stage: deployment unknown"),
    pytest.param(
        _map_then(lambda w: w.control.delete_stage(ApiId=w.api_id, StageName="prod")),
        BAD,
        id="stage: mapped by a domain stays",
    ),
    pytest.param(lambda w: w.control.create_deployment(ApiId=w.api_id), BAD, id="deployment: needs a route"),
    pytest.param(
        lambda w: w.control.create_deployment(ApiId=w.api_id, StageName="x"),
        MISSING,
        id="deployment: stage unknown",
    ),
    pytest.param(_delete_served_deployment, BAD, id="deployment: served by a stage stays"),
    pytest.param(_domain(DomainName="WS.example.com"), BAD, id="domain: lower case"),
    pytest.param(_domain(DomainName="a" * 64 + ".example.com"), BAD, id="domain: labels up to 63"),
    pytest.param(_domain_configuration(SecurityPolicy="TLS_1_0"), BAD, id="domain: TLS 1.2"),
    pytest.param(_domain_configuration(EndpointType="EDGE"), BAD, id="domain: Regional"),
    pytest.param(_domain_configuration(CertificateArn="x"), BAD, id="domain: certificate ARN"),
    pytest.param(_domain(DomainNameConfigurations=[]), BAD, id="domain: one configuration"),
    pytest.param(_domain(RoutingMode="ROUTING_RULE_ONLY"), BAD, id="domain: API mappings only"),
    pytest.param(
        _domain(MutualTlsAuthentication={"TruststoreUri": "s3://a/b"}), BAD, id="domain: no mutual TLS"
    ),
    pytest.param(_twice(_domain()), CONFLICT, id="domain: duplicate"),
    pytest.param(_api_mapping("a/b"), BAD, id="api mapping: no slash"),
    pytest.param(_api_mapping("k" * 301), BAD, id="api mapping: up to 300"),
    pytest.param(_api_mapping("ping"), BAD, id="api mapping: ping is reserved"),
    pytest.param(_api_mapping(stage="nope"), MISSING, id="api mapping: stage unknown"),
    pytest.param(_api_mapping(api_id="nope"), MISSING, id="api mapping: API unknown"),
    pytest.param(
        _map_then(
            lambda w: w.control.create_api_mapping(DomainName="ws.example.com", ApiId=w.api_id, Stage="prod")
        ),
        CONFLICT,
        id="api mapping: duplicate key",
    ),
    pytest.param(lambda w: w.control.get_tags(ResourceArn="nope"), BAD, id="tags: no ARN"),
    pytest.param(
        lambda w: w.control.get_tags(ResourceArn="arn:aws:apigateway:eu-west-1::/apis/nope"),
        MISSING,
        id="tags: unknown resource",
    ),
    pytest.param(
        lambda w: w.control.get_authorizers(ApiId=w.api_id), MISSING, id="operations no WebSocket API needs"
    ),
]


@pytest.mark.parametrize(("call", "expected"), CONTROL_REFUSALS)
def test_control_plane_refuses(world: World, call: Call, expected: tuple[int, str]) -> None:
    world.create_api()
    world.control.create_stage(ApiId=world.api_id, StageName="prod")

    assert refused(lambda: call(world)) == expected


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        pytest.param(lambda w, n: _route(f"r{n}")(w), 300, id="300 routes"),
        pytest.param(lambda w, n: w.add_integration(), 300, id="300 integrations"),
        pytest.param(lambda w, n: _stage(f"s{n}")(w), 10, id="10 stages"),
    ],
)
def test_quotas(world: World, make: Callable[[World, int], object], limit: int) -> None:
    world.create_api()

    for number in range(limit):
        make(world, number)

    assert refused(lambda: make(world, limit)) == QUOTA


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


# --- deployments -----------------------------------------------------------------------------------


def test_only_what_was_deployed_is_served(world: World, control: ApiGatewayV2Client) -> None:
    world.serve()
    first = control.get_stage(ApiId=world.api_id, StageName="prod")["DeploymentId"]
    world.add_route("chat", two_way=True)

    with world.connect() as socket:
        socket.send('{"action": "chat"}')
        assert socket.recv(timeout=5)
        assert len(world.backend.at("/default")) == 1

        second = world.deploy()
        socket.send('{"action": "chat"}')
        assert socket.recv(timeout=5)
        assert len(world.backend.at("/chat")) == 1

        control.update_stage(ApiId=world.api_id, StageName="prod", DeploymentId=first)
        socket.send('{"action": "chat"}')
        assert socket.recv(timeout=5)
        assert len(world.backend.at("/default")) == 2
    assert [item["DeploymentId"] for item in control.get_deployments(ApiId=world.api_id)["Items"]] == [
        second,
        first,
    ]


def test_a_stage_without_deployment_is_not_callable(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    control.create_stage(ApiId=world.api_id, StageName="prod")

    with pytest.raises(InvalidStatus) as caught:
        world.connect()

    assert caught.value.response.status_code == 403


@pytest.mark.parametrize("gateway_options", [{"deployment_seconds": 0.3}])
def test_a_deployment_takes_its_time(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    world.add_route("$default")
    control.create_stage(ApiId=world.api_id, StageName="prod")

    made = control.create_deployment(ApiId=world.api_id, StageName="prod")

    ids = {"ApiId": world.api_id, "DeploymentId": made["DeploymentId"]}
    assert made["DeploymentStatus"] == "PENDING"
    assert "DeploymentId" not in control.get_stage(ApiId=world.api_id, StageName="prod")
    world.gateway.wait_until(lambda: control.get_deployment(**ids)["DeploymentStatus"] == "DEPLOYED")
    assert control.get_stage(ApiId=world.api_id, StageName="prod")["DeploymentId"] == made["DeploymentId"]


@pytest.mark.parametrize("gateway_options", [{"deployment_fails": True}])
def test_a_failed_deployment_is_not_served(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    world.add_route("$default")
    control.create_stage(ApiId=world.api_id, StageName="prod")

    made = control.create_deployment(ApiId=world.api_id, StageName="prod")

    assert made["DeploymentStatus"] == "FAILED"
    assert made["DeploymentStatusMessage"]
    assert "DeploymentId" not in control.get_stage(ApiId=world.api_id, StageName="prod")


def test_auto_deploy_follows_every_change(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    control.create_stage(ApiId=world.api_id, StageName="prod", AutoDeploy=True)
    world.add_route("$default", two_way=True)

    with world.connect() as socket:
        socket.send("hello")
        assert socket.recv(timeout=5) == "hello"
    fields: dict[str, Any] = {"ApiId": world.api_id, "StageName": "prod", "DeploymentId": "x"}
    assert refused(lambda: control.update_stage(**fields)) == BAD


# --- handshake -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        pytest.param(Reply(status=401, body=b"no"), 401, id="401 is relayed"),
        pytest.param(Reply(status=400), 400, id="400 is relayed"),
        pytest.param(Reply(status=501), 501, id="501 is relayed"),
        pytest.param(Reply(status=301, headers=("Location: /other",)), 301, id="redirects are not followed"),
        pytest.param(Reply(raw=b"nonsense\r\n\r\n"), 502, id="no HTTP is 502"),
        pytest.param(Reply(raw=b""), 502, id="no answer is 502"),
        pytest.param(Reply(delay=4.0), 504, id="too late is 504"),
    ],
)
def test_handshake_is_refused(
    world: World, reply: Reply, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    world.backend.answer = lambda request: reply
    world.serve(TimeoutInMillis=2000)

    with pytest.raises(InvalidStatus) as caught:
        world.connect()

    assert caught.value.response.status_code == status
    if reply.body:
        assert caught.value.response.body == reply.body
    assert len(world.backend.requests) == 1
    assert world.gateway.connections() == ()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_unreachable_backend_is_502(world: World) -> None:
    world.create_api()
    world.add_route("$connect", IntegrationUri="http://127.0.0.1:1/")
    world.deploy()

    with pytest.raises(InvalidStatus) as caught:
        world.connect()

    assert caught.value.response.status_code == 502


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/nope", {}, id="unknown stage"),
        pytest.param("/prod/more", {}, id="path behind the stage"),
        pytest.param("/prod", {"Host": "evil.example.com"}, id="foreign host"),
    ],
)
def test_handshake_elsewhere_is_forbidden(world: World, path: str, headers: dict[str, str]) -> None:
    world.serve()
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port)

    connection.request(
        "GET",
        f"/_api/{world.api_id}{path}",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
            **headers,
        },
    )
    answer = connection.getresponse()
    answer.read()
    connection.close()

    assert answer.status == 403
    assert world.backend.requests == []


def test_disabled_default_endpoint_is_forbidden_once_deployed(
    world: World, control: ApiGatewayV2Client
) -> None:
    world.serve()
    control.update_api(ApiId=world.api_id, DisableExecuteApiEndpoint=True)
    with world.connect():
        pass

    world.deploy()

    with pytest.raises(InvalidStatus) as caught:
        world.connect()
    assert caught.value.response.status_code == 403


def test_url_of_more_than_4096_characters_is_refused(world: World) -> None:
    world.serve()

    with pytest.raises(InvalidStatus) as caught:
        world.connect("/prod?token=" + "x" * 4096)

    assert caught.value.response.status_code == 414


@pytest.mark.parametrize(
    ("returned", "agreed"),
    [
        pytest.param("b", "b", id="one that was offered"),
        pytest.param(None, None, id="none returned"),
        pytest.param("c", None, id="one that was not offered"),
    ],
)
def test_subprotocol_is_the_backends_choice(world: World, returned: str | None, agreed: str | None) -> None:
    chosen = (f"Sec-WebSocket-Protocol: {returned}",) if returned else ()
    world.backend.answer = lambda request: Reply(headers=chosen)
    world.serve()

    with world.connect(subprotocols=[Subprotocol("a"), Subprotocol("b")]) as socket:
        assert socket.subprotocol == agreed


def test_without_connect_route_everybody_is_let_in(world: World) -> None:
    world.create_api()
    world.add_route("$default", two_way=True)
    world.deploy()

    with world.connect() as socket:
        socket.send("x")
        assert socket.recv(timeout=5) == "x"


def test_non_proxy_integration_connects_whatever_the_backend_says(world: World) -> None:
    world.backend.answer = lambda request: Reply(status=500)
    world.create_api()
    world.add_route("$connect", IntegrationType="HTTP")
    world.deploy()

    with world.connect():
        assert len(world.backend.requests) == 1


# --- what the backend receives ---------------------------------------------------------------------

CLIENT = {"Cookie": "a=1", "Origin": "https://example.com", "Authorization": "Bearer x", "X-Custom": "y"}
HEADER_SETS = [
    pytest.param(
        "connect",
        [
            "authorization",
            "content-length",
            "cookie",
            "host",
            "origin",
            "sec-websocket-key",
            "sec-websocket-version",
            "user-agent",
            "x-amzn-apigateway-api-id",
            "x-amzn-trace-id",
            "x-custom",
            "x-forwarded-for",
            "x-forwarded-port",
            "x-forwarded-proto",
        ],
        {
            "content-length": "0",
            "user-agent": "tests",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "https",
        },
        b"",
        id="$connect",
    ),
    pytest.param(
        "default",
        ["content-length", "content-type", "host", "user-agent", "x-amzn-apigateway-api-id"],
        {"content-type": "application/json; charset=UTF-8", "user-agent": "AmazonAPIGateway_{api}"},
        '{"text": "é ☃"}'.encode(),
        id="message",
    ),
    pytest.param(
        "disconnect",
        [
            "content-length",
            "host",
            "user-agent",
            "x-amzn-apigateway-api-id",
            "x-api-key",
            "x-forwarded-for",
            "x-restapi",
        ],
        {"x-forwarded-for": "", "x-api-key": "", "x-restapi": "", "user-agent": "AmazonAPIGateway_{api}"},
        b"",
        id="$disconnect",
    ),
]


@pytest.mark.parametrize(("kind", "names", "values", "body"), HEADER_SETS)
def test_header_set_of_each_kind_of_event(
    world: World, kind: str, names: list[str], values: dict[str, str], body: bytes
) -> None:
    world.serve()

    with world.connect("/prod?b=2&a=%20", additional_headers=CLIENT, user_agent_header="tests") as socket:
        socket.send('{"text": "é ☃"}')
        assert socket.recv(timeout=5)
    [request] = world.backend.wait_for(f"/{kind}")

    assert (request.method, request.names, request.body) == ("POST", names, body)
    assert request.target == ("/connect?b=2&a=%20" if kind == "connect" else f"/{kind}")
    assert request.header("host") == f"127.0.0.1:{world.backend.port}"
    assert request.header("x-amzn-apigateway-api-id") == world.api_id
    for name, value in values.items():
        assert request.header(name) == value.format(api=world.api_id)


def test_connect_without_user_agent_gets_the_gateways(world: World) -> None:
    world.serve()

    with world.connect(user_agent_header=None):
        pass

    assert world.backend.at("/connect")[0].header("user-agent") == f"AmazonAPIGateway_{world.api_id}"


CONTEXT = [
    "apiId",
    "connectedAt",
    "connectionId",
    "domainName",
    "eventType",
    "extendedRequestId",
    "identity.sourceIp",
    "identity.userAgent",
    "messageId",
    "requestId",
    "requestTime",
    "requestTimeEpoch",
    "routeKey",
    "stage",
]


def test_context_variables(world: World) -> None:
    mapping = {f"integration.request.header.ws.{name}": f"context.{name}" for name in CONTEXT}
    world.serve(RequestParameters=mapping)

    with world.connect(user_agent_header="tests") as socket:
        socket.send("hello")
        socket.recv(timeout=5)
    world.backend.wait_for("/disconnect")

    [connect] = world.backend.at("/connect")
    [message] = world.backend.at("/default")
    [disconnect] = world.backend.at("/disconnect")
    for request, kind, route in (
        (connect, "CONNECT", "$connect"),
        (message, "MESSAGE", "$default"),
        (disconnect, "DISCONNECT", "$disconnect"),
    ):
        assert request.header("ws.eventType") == kind
        assert request.header("ws.routeKey") == route
        assert request.header("ws.connectionId") == connect.header("ws.connectionId")
        assert request.header("ws.connectedAt") == connect.header("ws.connectedAt")
        assert request.header("ws.identity.sourceIp") == "127.0.0.1"
        assert request.header("ws.identity.userAgent") == "tests"
        assert request.header("ws.stage") == "prod"
        assert request.header("ws.apiId") == world.api_id
        assert request.header("ws.requestId") == request.header("ws.extendedRequestId")
        assert int(request.header("ws.requestTimeEpoch")) >= int(request.header("ws.connectedAt"))
        assert ("ws.messageid" in request.names) == (kind == "MESSAGE")
    connection_id = connect.header("ws.connectionId")
    assert (len(connection_id), connection_id[-1]) == (16, "=")


def test_a_mapping_replaces_the_clients_header(world: World) -> None:
    world.serve(
        RequestParameters={
            "integration.request.header.Sec-WebSocket-Version": "'0'",
            "integration.request.header.wsConnectionId": "context.connectionId",
            "integration.request.header.X-Forwarded-For": "context.identity.sourceIp",
        }
    )

    with world.connect(additional_headers={"WSCONNECTIONID": "forged", "X-Forwarded-For": "1.2.3.4"}):
        pass

    [request] = world.backend.at("/connect")
    assert request.header("sec-websocket-version") == "0"
    assert len(request.header("wsconnectionid")) == 16
    assert request.header("x-forwarded-for") == "127.0.0.1"


def test_mappings_of_every_source(world: World) -> None:
    header = "integration.request.header."
    world.create_api()
    declared = {f"route.request.querystring.{name}": {"Required": False} for name in ("token", "many")}
    world.add_route(
        "$connect",
        route={"RequestParameters": {**declared, "route.request.header.X-In": {"Required": False}}},
        RequestParameters={
            header + "one": "route.request.querystring.token",
            header + "undeclared": "route.request.querystring.other",
            header + "in": "route.request.header.X-In",
            header + "static": "'a b'",
            header + "variable": "stageVariables.place",
            header + "missing": "stageVariables.nothing",
            "integration.request.querystring.extra": "context.stage",
        },
    )
    world.add_route(
        "$default",
        two_way=True,
        RequestParameters={
            header + "nested": "route.request.body.a.b[1]",
            header + "object": "route.request.body.a",
            header + "absent": "route.request.body.nope",
            header + "late": "route.request.querystring.token",
        },
    )
    world.deploy(StageVariables={"place": "x.example.com"})

    with world.connect("/prod?token=t%C3%A9&other=o&extra=mine", additional_headers={"X-In": "in"}) as socket:
        socket.send('{"a": {"b": [1, "zwei\\r\\nEvil: 1"]}}')
        socket.recv(timeout=5)

    [connect] = world.backend.at("/connect")
    assert connect.header("one").encode("latin-1").decode() == "té"
    assert (connect.header("in"), connect.header("static")) == ("in", "a b")
    assert connect.header("variable") == "x.example.com"
    assert not {"undeclared", "missing"} & set(connect.names)
    assert connect.target == "/connect?token=t%C3%A9&other=o&extra=prod"
    [message] = world.backend.at("/default")
    assert message.header("nested") == "zwei Evil: 1"
    assert json.loads(message.header("object")) == {"b": [1, "zwei\r\nEvil: 1"]}
    assert not {"absent", "late", "evil"} & set(message.names)


# --- messages --------------------------------------------------------------------------------------

SELECTION = [
    pytest.param("$request.body.action", '{"action": "chat"}', "/chat", id="key"),
    pytest.param("${request.body.action}", '{"action": "chat"}', "/chat", id="key in braces"),
    pytest.param("$request.body.a.b", '{"a": {"b": "chat"}}', "/chat", id="nested path"),
    pytest.param("${request.body.a}/${request.body.b}", '{"a": "x", "b": 1}', "/x1", id="two parts"),
    pytest.param("$request.body.action", '{"action": "nope"}', "/default", id="unknown key"),
    pytest.param("$request.body.action", "{}", "/default", id="missing key"),
    pytest.param("$request.body.action", "plain text", "/default", id="no JSON"),
    pytest.param("$request.body.action", "[1]", "/default", id="no object"),
    pytest.param("$request.body.action", '{"action": "$connect"}', "/default", id="reserved key"),
    pytest.param("\\$default", '{"action": "chat"}', "/default", id="everything to $default"),
]


@pytest.mark.parametrize(("expression", "message", "path"), SELECTION)
def test_route_selection(world: World, expression: str, message: str, path: str) -> None:
    world.create_api(RouteSelectionExpression=expression)
    world.add_route("$connect")
    world.add_route("chat", two_way=True)
    world.add_route("x/1", "/x1", two_way=True)
    world.add_route("$default", two_way=True)
    world.deploy()

    with world.connect() as socket:
        socket.send(message)
        assert socket.recv(timeout=5) == message

    assert [request.body.decode() for request in world.backend.at(path)] == [message]


INTERNAL = "Internal server error"
FRAMES = [
    pytest.param(Reply(body=b"answer"), True, "answer", id="two-way: the body is the frame"),
    pytest.param(Reply(body="é".encode()), True, "é", id="two-way: UTF-8"),
    pytest.param(Reply(body=b"\xff"), True, "\ufffd", id="two-way: invalid UTF-8 is replaced"),
    pytest.param(Reply(), True, None, id="two-way: an empty body is no frame"),
    pytest.param(Reply(status=404, body=b"no"), True, "no", id="two-way: body of a non-2xx (unverified)"),
    pytest.param(Reply(body=b"answer"), False, None, id="one-way: silent"),
    pytest.param(Reply(status=500, body=b"oops"), False, None, id="one-way: silent on 500 too"),
    pytest.param(Reply(raw=b""), True, INTERNAL, id="two-way: backend fails"),
    pytest.param(Reply(raw=b""), False, INTERNAL, id="one-way: backend fails"),
    pytest.param(Reply(delay=4.0), True, "Endpoint request timed out", id="backend too late"),
    pytest.param(Reply(body=b"x" * 131073), True, INTERNAL, id="two-way: more than 128 KB"),
    pytest.param(
        Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        True,
        "abc",
        id="two-way: chunked body",
    ),
    pytest.param(Reply(raw=b"HTTP/1.0 200 OK\r\n\r\nabc"), True, "abc", id="two-way: body up to the end"),
]


@pytest.mark.parametrize(("reply", "two_way", "frame"), FRAMES)
def test_frame_that_answers_a_message(world: World, reply: Reply, two_way: bool, frame: str | None) -> None:
    def answer(request: Received) -> Reply:
        if request.body == b"mark":
            return Reply(body=b"mark")
        return reply if request.target == "/default" else Reply()

    world.backend.answer = answer
    world.create_api()
    world.add_route("$default", two_way=two_way, TimeoutInMillis=2000)
    world.add_route("mark", two_way=True)
    world.deploy()

    with world.connect() as socket:
        socket.send("message")
        if frame is None:
            world.gateway.wait_until(lambda: any(item.status for item in world.gateway.requests))
            socket.send('{"action": "mark"}')
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.2)
            return
        received = socket.recv(timeout=5)
        if frame in (INTERNAL, "Endpoint request timed out"):
            parsed = json.loads(received)
            assert sorted(parsed) == ["connectionId", "message", "requestId"]
            assert parsed["connectionId"] == world.connection_id()
            received = parsed["message"]
        assert received == frame
        socket.ping().wait(1)
    assert len(world.backend.at("/default")) == 1


def test_message_without_a_route_is_forbidden(world: World) -> None:
    world.create_api()
    world.add_route("$connect")
    world.deploy()

    with world.connect() as socket:
        socket.send("hello")
        frame = json.loads(socket.recv(timeout=5))

    assert frame["message"] == "Forbidden"
    assert sorted(frame) == ["connectionId", "message", "requestId"]


def test_messages_of_one_connection_are_forwarded_side_by_side(world: World) -> None:
    world.backend.answer = lambda request: Reply(
        body=request.body, delay=2.0 if request.body == b"slow" else 0
    )
    world.serve()

    with world.connect() as socket:
        socket.send("slow")
        socket.send("fast")

        assert [socket.recv(timeout=5), socket.recv(timeout=5)] == ["fast", "slow"]


# --- closing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("send", "code"),
    [
        pytest.param(lambda s: s.send(b"\x00"), 1003, id="binary is 1003"),
        pytest.param(lambda s: s.send("x" * 32769), 1009, id="a frame above 32 KB is 1009"),
        pytest.param(lambda s: s.send("x" * 4_000_000), 1009, id="a huge frame is 1009, not a reset"),
        pytest.param(lambda s: s.send(["x" * 32768] * 4 + ["y"]), 1009, id="a message above 128 KB is 1009"),
        pytest.param(lambda s: s.close(4001, "bye"), 4001, id="the client's own close"),
    ],
)
def test_close_codes(world: World, send: Callable[[Any], object], code: int) -> None:
    world.serve()

    with world.connect() as socket:
        with contextlib.suppress(ConnectionClosed):
            send(socket)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=5)
        assert socket.close_code == code

    assert len(world.backend.wait_for("/disconnect")) == 1
    assert world.backend.at("/default") == []


def test_messages_up_to_the_limits_pass(world: World) -> None:
    world.serve()

    with world.connect() as socket:
        socket.send(["x" * 32768] * 4)
        assert socket.recv(timeout=5) == "x" * 131072


@pytest.mark.parametrize(
    "gateway_options",
    [pytest.param({"idle_timeout": 0.3}, id="idle"), pytest.param({"max_duration": 0.3}, id="duration")],
)
def test_time_limits_close_with_1001(world: World) -> None:
    world.serve()

    with world.connect() as socket, pytest.raises(ConnectionClosed) as caught:
        socket.recv(timeout=5)

    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1001, "Going away")
    world.backend.wait_for("/disconnect")


@pytest.mark.parametrize("gateway_options", [{"idle_timeout": 2.0}])
def test_traffic_in_both_directions_postpones_the_idle_timeout(world: World) -> None:
    world.serve()
    management = world.management()

    with world.connect() as socket:
        for _ in range(3):
            socket.send("x")
            socket.recv(timeout=5)
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.8)
        for _ in range(3):
            management.post_to_connection(ConnectionId=world.connection_id(), Data=b"x")
            socket.recv(timeout=5)
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.8)


# --- @connections ----------------------------------------------------------------------------------


def test_post_get_and_delete(world: World) -> None:
    world.serve()
    management = world.management()

    with world.connect(user_agent_header="tests") as socket:
        connection_id = world.connection_id()
        posted = management.post_to_connection(ConnectionId=connection_id, Data=b"caf\xc3\xa9 \xff")
        got = management.get_connection(ConnectionId=connection_id)
        frame = socket.recv(timeout=5)
        deleted = management.delete_connection(ConnectionId=connection_id)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=5)

    assert posted["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert deleted["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert frame == "café \ufffd"
    assert got["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "tests"}
    assert got["ConnectedAt"].tzinfo is not None
    assert got["LastActiveAt"] >= got["ConnectedAt"]
    world.backend.wait_for("/disconnect")
    assert refused(lambda: management.get_connection(ConnectionId=connection_id)) == (410, "GoneException")


@pytest.mark.parametrize("kind", ["post", "get", "delete"])
@pytest.mark.parametrize(
    ("stage", "connection_id", "data", "expected"),
    [
        pytest.param("prod", "AAAAAAAAAAAAAAA=", b"x", (410, "GoneException"), id="unknown id"),
        pytest.param("prod", "not an id!", b"x", (400, "BadRequestException"), id="malformed id"),
        pytest.param("nope", "AAAAAAAAAAAAAAA=", b"x", (403, "ForbiddenException"), id="wrong stage"),
        pytest.param("prod/more", "AAAAAAAAAAAAAAA=", b"x", (403, "ForbiddenException"), id="wrong path"),
        pytest.param("other", "OPEN", b"x", (410, "GoneException"), id="another stage's connection"),
        pytest.param("prod", "OPEN", b"x" * 131073, (413, "PayloadTooLargeException"), id="more than 128 KB"),
    ],
)
def test_connections_api_refuses(
    world: World, kind: str, stage: str, connection_id: str, data: bytes, expected: tuple[int, str]
) -> None:
    if expected[0] == 413 and kind != "post":
        return
    world.serve()
    world.deploy("other")
    management = world.management(stage)
    calls: dict[str, Callable[[str], object]] = {
        "post": lambda name: management.post_to_connection(ConnectionId=name, Data=data),
        "get": lambda name: management.get_connection(ConnectionId=name),
        "delete": lambda name: management.delete_connection(ConnectionId=name),
    }

    with world.connect():
        name = world.connection_id() if connection_id == "OPEN" else connection_id
        assert refused(lambda: calls[kind](name)) == expected


def test_a_post_of_128_kb_passes(world: World) -> None:
    world.serve()

    with world.connect(max_size=None) as socket:
        world.management().post_to_connection(ConnectionId=world.connection_id(), Data=b"x" * 131072)
        assert socket.recv(timeout=5) == "x" * 131072


def test_gone_while_connect_is_pending(world: World) -> None:
    seen: list[tuple[int, str]] = []

    def answer(request: Received) -> Reply:
        if request.target == "/connect":
            name = request.header("wsConnectionId")
            management = world.management()
            seen.append(refused(lambda: management.post_to_connection(ConnectionId=name, Data=b"x")))
        return Reply()

    world.backend.answer = answer
    world.serve(RequestParameters={"integration.request.header.wsConnectionId": "context.connectionId"})

    with world.connect():
        assert seen == [(410, "GoneException")]


@pytest.mark.parametrize(
    ("path", "headers", "status", "kind"),
    [
        pytest.param("{connections}", {}, 403, "ForbiddenException", id="unsigned @connections"),
        pytest.param("/v2/apis", {}, 403, "MissingAuthenticationTokenException", id="unsigned control plane"),
        pytest.param(
            "/v2/apis",
            {"Authorization": "AWS4-HMAC-SHA256 x", "Host": "evil.example.com"},
            403,
            "ForbiddenException",
            id="control plane by a foreign Host",
        ),
        pytest.param(
            "{connections}",
            {"Authorization": "AWS4-HMAC-SHA256 x", "Host": "evil.example.com"},
            403,
            "ForbiddenException",
            id="@connections by a foreign Host",
        ),
        pytest.param("/", {}, 403, "ForbiddenException", id="anything else"),
    ],
)
def test_no_web_page_can_drive_it(
    world: World, path: str, headers: dict[str, str], status: int, kind: str
) -> None:
    world.serve()
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port)

    connection.request(
        "GET", path.format(connections=f"/_api/{world.api_id}/prod/@connections/A="), headers=headers
    )
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()

    assert (answer.status, answer.headers["x-amzn-ErrorType"]) == (status, kind)
    assert answer.headers["x-amzn-RequestId"]
    assert answer.headers["Server"] is None
    assert body["message"]


# --- custom domains --------------------------------------------------------------------------------


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
