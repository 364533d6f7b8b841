"""The pieces of the local gateway that need no socket."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from websocket_gateway.local.addressing import find_address, host_name
from websocket_gateway.local.connections import Connection, Registry, new_opaque_id
from websocket_gateway.local.errors import BadRequestError, LimitExceededError, LocalGatewayError
from websocket_gateway.local.faults import Faults
from websocket_gateway.local.mapping import Event, build_request, canonical_name, check_request_parameters
from websocket_gateway.local.model import find_operation, load_operations, parse_input
from websocket_gateway.local.operations import OPERATIONS
from websocket_gateway.local.options import GatewayOptions, Quirks, is_loopback, parse_quirks, quirk_choices
from websocket_gateway.local.routing import check_expression, evaluate, select_route_key
from websocket_gateway.local.signing import HttpRequest, why_unsigned
from websocket_gateway.local.store import Store

INTEGRATION = {
    "integrationType": "HTTP_PROXY",
    "integrationMethod": "POST",
    "integrationUri": "http://user:pass@backend:8000/ws/connect?own=1",
    "timeoutInMillis": 29000,
}
CONTEXT = {"apiId": "abc", "identity.sourceIp": "127.0.0.1", "routeKey": "$default", "connectionId": "x="}


# --- routing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "message", "expected"),
    [
        ("$request.body.a", '{"a": "x"}', "x"),
        ("$request.body.a", '{"a": 5}', "5"),
        ("$request.body.a", '{"a": true}', "true"),
        ("$request.body.a", '{"a": null}', ""),
        ("$request.body.a", '{"a": {"b": 1}}', '{"b":1}'),
        ("$request.body.a[1].b", '{"a": [0, {"b": "x"}]}', "x"),
        ("$request.body.a[9]", '{"a": [0]}', ""),
        ("${request.body.a['b c']}", '{"a": {"b c": "x"}}', "x"),
        ("${request.body.a}-${request.body.b}", '{"a": "x"}', "x-"),
        ("$request.body.a", "[" * 100_000, "$default"),
        ("\\$default", "x", "$default"),
        ("constant", "x", "constant"),
    ],
)
def test_evaluate(expression: str, message: str, expected: str) -> None:
    assert evaluate(expression, message) == expected


@given(st.text(), st.sampled_from(["$request.body.action", "${request.body.a.b}/x", "$request.body.a[0]"]))
def test_any_text_selects_a_route(message: str, expression: str) -> None:
    assert select_route_key(expression, message, {"$default", "chat"}) in ("$default", "chat")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda s: st.lists(s) | st.dictionaries(st.text(), s),
    )
)
def test_any_json_selects_a_route(body: Any) -> None:
    message = json.dumps({"action": body})

    assert select_route_key("$request.body.action", message, {"$connect"}) is None


@pytest.mark.parametrize("expression", ["", " ", "$request.body", "$request.header.x", "$context.x", "${x}"])
def test_check_expression_refuses(expression: str) -> None:
    with pytest.raises(BadRequestError):
        check_expression(expression)


# --- mapping ---------------------------------------------------------------------------------------


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


# --- signing ---------------------------------------------------------------------------------------

URLS = [
    "http://127.0.0.1:9000/v2/apis",
    "http://127.0.0.1:9000/v2/apis?maxResults=3&nextToken=a%2Fb%3D",
    "http://127.0.0.1:9000/v2/tags/arn%3Aaws%3Aapigateway%3A%3A%3A%2Fapis%2Fx?tagKeys=b&tagKeys=a%20c",
    "http://127.0.0.1:9000/_api/x/prod/@connections/abc%3D",
]


def signed_request(url: str, body: bytes = b"hi", secret: str = "right") -> HttpRequest:
    request = AWSRequest(method="POST", url=url, data=body, headers={"Host": "127.0.0.1:9000"})
    SigV4Auth(Credentials("key", secret), "execute-api", "eu-west-1").add_auth(request)
    _, _, rest = url.partition("127.0.0.1:9000")
    path, _, query = rest.partition("?")
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    return HttpRequest(method="POST", raw_path=path, query=query, headers=headers, body=body)


def now() -> datetime:
    return datetime.now(timezone.utc)


@pytest.mark.parametrize("url", URLS)
def test_a_good_signature_is_accepted(url: str) -> None:
    assert why_unsigned(signed_request(url), "right", now=now) is None
    assert why_unsigned(signed_request(url, secret="wrong"), None, now=now) is None


@pytest.mark.parametrize("url", URLS)
def test_a_wrong_secret_is_refused(url: str) -> None:
    assert why_unsigned(signed_request(url, secret="wrong"), "right", now=now)


def test_what_was_changed_or_is_old_is_refused() -> None:
    good = signed_request(URLS[0])

    changed = HttpRequest(
        method=good.method, raw_path=good.raw_path, query=good.query, headers=good.headers, body=b"other"
    )
    assert why_unsigned(changed, "right", now=now)
    assert why_unsigned(good, "right", now=lambda: now() + timedelta(hours=1))
    empty = HttpRequest(method="GET", raw_path="/", query="", headers=())
    assert why_unsigned(empty, None, now=now) == "Missing Authentication Token"


# --- model -----------------------------------------------------------------------------------------


def test_every_operation_here_is_in_the_model() -> None:
    assert set(OPERATIONS) <= {operation.name for operation in load_operations()}


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v2/apis", "CreateApi"),
        ("GET", "/v2/apis/x/routes/y", "GetRoute"),
        ("DELETE", "/v2/apis/x/routes/y/requestparameters/a%2Fb", "DeleteRouteRequestParameter"),
        ("GET", "/v2/tags/arn:aws:apigateway:::/apis/x", "GetTags"),
        ("GET", "/v2/nothing", None),
        ("PUT", "/v2/apis/x/routes/y", None),
    ],
)
def test_find_operation(method: str, path: str, name: str | None) -> None:
    found = find_operation(method, path)

    assert (found and found[0].name) == name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["name", "protocolType", "routeSelectionExpression", "tags", "corsConfiguration", "description"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_body_breaks_the_validation(body: dict[str, Any]) -> None:
    operation, in_path = find_operation("POST", "/v2/apis") or pytest.fail("no CreateApi")
    try:
        located, payload = parse_input(operation, in_path, "", body)
        OPERATIONS["CreateApi"](Store(), located, payload)
    except BadRequestError:
        return


# --- small things ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("[::1]", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("header", "name"),
    [("A.example.com:80", "a.example.com"), ("[::1]:80", "[::1]"), ("127.0.0.1", "127.0.0.1"), ("", "")],
)
def test_host_name(header: str, name: str) -> None:
    assert host_name(header) == name


def test_nothing_is_found_at_an_unknown_address() -> None:
    assert find_address(Store(), "127.0.0.1", "/_api/x/prod") is None
    assert find_address(Store(), "ws.example.com", "/") is None


def test_faults_are_spread_evenly() -> None:
    faults = Faults(throttle_posts=0.25, drop_posts=1.0)

    assert [faults.strikes("throttle_posts") for _ in range(8)] == [False, False, False, True] * 2
    assert faults.strikes("drop_posts")
    assert not faults.strikes("fail_posts")
    faults.clear()
    assert not faults.strikes("drop_posts")


def test_ten_percent_is_ten_in_a_hundred() -> None:
    faults = Faults(throttle_posts=0.1)

    assert sum(faults.strikes("throttle_posts") for _ in range(100)) == 10


@pytest.mark.parametrize(
    "fields",
    [{"host": "0.0.0.0"}, {"port": 70000}, {"idle_timeout": 0}, {"max_duration": -1}, {"page_size": 0}],
)
def test_options_that_could_not_work_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(LocalGatewayError):
        GatewayOptions(**fields)


def test_quirks_from_the_command_line() -> None:
    assert parse_quirks(["two_way_error=error", "header_twins=keep"]) == Quirks(
        two_way_error="error", header_twins="keep"
    )
    assert {name: values[0] for name, values in quirk_choices().items()} == {
        name: getattr(Quirks(), name) for name in quirk_choices()
    }
    for wrong in ("nope=1", "header_twins", "header_twins=x"):
        with pytest.raises(LocalGatewayError):
            parse_quirks([wrong])


def test_ids_look_like_those_of_aws() -> None:
    ids = {new_opaque_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert {(len(item), item[-1]) for item in ids} == {(16, "=")}


def test_a_client_that_does_not_read_is_a_429(monkeypatch: pytest.MonkeyPatch) -> None:
    from websocket_gateway.local import connections

    aborted: list[bool] = []

    async def never(message: object) -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        connection = Connection(
            id="x=",
            api_id="a",
            stage="s",
            domain_name="d",
            source_ip="127.0.0.1",
            user_agent="",
            send=never,
            abort=lambda: aborted.append(True),
            connected_at=0.0,
            last_active_at=0.0,
            state="open",
        )
        registry = Registry()
        registry.add(connection)
        with pytest.raises(LimitExceededError):
            await connection.send_text("hello")
        await connection.close(1001, "")
        assert registry.find_open("x=", "a", "s") is None
        assert not await connection.send_text("hello")

    monkeypatch.setattr(connections, "SEND_PATIENCE_SECONDS", 0.01)
    asyncio.run(run())

    assert aborted == [True]
