"""What the backend receives: header sets, context variables, parameter mappings."""

from __future__ import annotations

import json

import pytest

from tests.local.conftest import World

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
