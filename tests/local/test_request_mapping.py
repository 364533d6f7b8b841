"""From an event to the request that the backend gets, without a socket."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_gateway.local.mapping import Event, build_request, canonical_name, check_request_parameters
from websocket_gateway.local.options import Quirks

INTEGRATION = {
    "integrationType": "HTTP_PROXY",
    "integrationMethod": "POST",
    "integrationUri": "http://user:pass@backend:8000/ws/connect?own=1",
    "timeoutInMillis": 29000,
}
CONTEXT = {"apiId": "abc", "identity.sourceIp": "127.0.0.1", "routeKey": "$default", "connectionId": "x="}


def connect_event(*headers: tuple[str, str], query: str = "") -> Event:
    return Event(kind="CONNECT", context=CONTEXT, headers=list(headers), query=query)


def built(event: Event, quirks: Quirks | None = None, **mapping: str) -> dict[str, str]:
    parameters = {f"integration.request.header.{name}": value for name, value in mapping.items()}
    request = build_request({**INTEGRATION, "requestParameters": parameters}, {}, event, quirks or Quirks())
    return dict(request.headers)


def test_request_line_and_host() -> None:
    request = build_request(INTEGRATION, {}, connect_event(query="a=%20&b"), Quirks())

    assert (request.host, request.port, request.target) == ("backend", 8000, "/ws/connect?own=1&a=%20&b")
    assert dict(request.headers)["Host"] == "backend:8000"
    assert request.timeout == 29.0


@pytest.mark.parametrize(
    ("uri", "port", "target"),
    [
        ("https://backend", 443, "/"),
        ("http://backend/é x", 80, "/%C3%A9%20x"),
        ("http://backend/{a}/b", 80, "/x%2Fy/b"),
        ("http://backend/${stageVariables.v}", 80, "/1"),
    ],
)
def test_integration_uri(uri: str, port: int, target: str) -> None:
    integration = {
        **INTEGRATION,
        "integrationUri": uri,
        "requestParameters": {"integration.request.path.a": "'x/y'"},
    }
    event = Event(kind="MESSAGE", context=CONTEXT, stage_variables={"v": "1"}, body="hi")

    request = build_request(integration, {}, event, Quirks())

    assert (request.port, request.target) == (port, target)


def test_hop_headers_are_not_forwarded() -> None:
    names = {"connection", "upgrade", "transfer-encoding", "content-length", "te", "x-amzn-apigateway-api-id"}
    headers = built(connect_event(*((canonical_name(name), "forged") for name in names), ("Cookie", "a")))

    assert "forged" not in headers.values()
    assert headers["Cookie"] == "a"


def test_repeated_headers_stay_repeated() -> None:
    request = build_request(INTEGRATION, {}, connect_event(("X-A", "1"), ("X-A", "2")), Quirks())

    assert [value for name, value in request.headers if name == "X-A"] == ["1", "2"]


@pytest.mark.parametrize(
    ("quirks", "expected"),
    [
        (Quirks(), {"wsconnectionid": ["x="], "sec-websocket-version": ["0"]}),
        (Quirks(header_twins="keep"), {"wsconnectionid": ["forged", "x="], "sec-websocket-version": ["0"]}),
    ],
)
def test_header_twins(quirks: Quirks, expected: dict[str, list[str]]) -> None:
    event = connect_event(("Wsconnectionid", "forged"), ("Sec-WebSocket-Version", "13"))
    parameters = {
        "integration.request.header.wsConnectionId": "context.connectionId",
        "integration.request.header.Sec-WebSocket-Version": "'0'",
    }
    request = build_request({**INTEGRATION, "requestParameters": parameters}, {}, event, quirks)

    for name, values in expected.items():
        assert [value for key, value in request.headers if key.lower() == name] == values


@pytest.mark.parametrize(
    ("quirks", "agent"),
    [(Quirks(), "browser"), (Quirks(connect_user_agent="gateway"), "AmazonAPIGateway_abc")],
)
def test_user_agent_at_connect(quirks: Quirks, agent: str) -> None:
    assert built(connect_event(("User-Agent", "browser")), quirks)["User-Agent"] == agent


@pytest.mark.parametrize(
    ("body", "quirks", "expected"),
    [
        ("{}", Quirks(), "application/json; charset=UTF-8"),
        ("hi", Quirks(), "application/json; charset=UTF-8"),
        ("{}", Quirks(text_content_type="text"), "application/json; charset=UTF-8"),
        ("hi", Quirks(text_content_type="text"), "text/plain; charset=UTF-8"),
    ],
)
def test_content_type_of_a_message(body: str, quirks: Quirks, expected: str) -> None:
    assert built(Event(kind="MESSAGE", context=CONTEXT, body=body), quirks)["Content-Type"] == expected


def test_a_known_forwarded_for_is_extended_and_a_trace_id_kept() -> None:
    headers = built(connect_event(("X-Forwarded-For", "1.2.3.4"), ("X-Amzn-Trace-Id", "Root=1")))

    assert headers["X-Forwarded-For"] == "1.2.3.4, 127.0.0.1"
    assert headers["X-Amzn-Trace-Id"] == "Root=1"


@given(st.text())
def test_no_body_can_break_the_header_block(text: str) -> None:
    event = Event(kind="MESSAGE", context=CONTEXT, body=json.dumps({"a": text}))

    value = built(event, value="route.request.body.a")["value"]

    assert not set(value) & set("\r\n\0")
    value.encode("latin-1")


@pytest.mark.parametrize(
    "value",
    [
        "context.a.b",
        "stageVariables.x",
        "''",
        "'a b'",
        "route.request.body",
        "route.request.body.a[0]",
        "route.request.multivalueheader.X",
    ],
)
def test_check_request_parameters_accepts(value: str) -> None:
    check_request_parameters({"integration.request.header.x": value})
