"""What the control plane refuses, asked by boto3. Every table row is one fact of AWS: its id says which."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.local.conftest import World
from tests.local.refusals import BAD, CONFLICT, DOMAIN, MISSING, QUOTA, refused

Call = Callable[[World], object]


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
