"""Whatever comes in: no 500, no exception, no row lost or doubled.

Each test makes as many examples as the hypothesis profile says: 60 by default, 5,000 under
`HYPOTHESIS_PROFILE=ci`, which makes 20,000 in all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from tests.views.urls import PublicView, StackView
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.testing import connect_request, disconnect_request, message_request
from websocket_gateway.testing.events import new_connection_id

pytestmark = pytest.mark.django_db(transaction=True)


class EchoView(StackView):
    """Gives everything back, so that what was read must be writable again."""

    RATE_LIMIT_ENABLED = False
    MAX_MESSAGES_PER_MINUTE = 0
    ADDITIONAL_ALLOWED_HANDLERS = ["change_channel"]

    def echo(self, request: Any) -> dict[str, Any]:
        return {"body": self.body}

    def default(self, request: Any) -> dict[str, Any]:
        return {"body": self.body}


class OpenView(PublicView):
    RATE_LIMIT_ENABLED = False
    MAX_CONNECTIONS_PER_USER = 0


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Thousands of refusals would bury the one line that matters."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def gateway() -> ApiGateway:
    return ApiGatewayFactory.create()


@pytest.fixture
def session(gateway: ApiGateway) -> WebSocketSession:
    row: WebSocketSession = WebSocketSessionFactory.create(api_gateway=gateway)
    return row


def assert_unharmed(response: Any, *allowed: int) -> None:
    """An answer that a client may get: no redirect, no error of ours, no page of Django's."""
    assert response.status_code in allowed, (response.status_code, response.content[:500])
    assert b"Traceback" not in response.content


# Bodies

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300, max_value=10**310)
    | st.floats()
    | st.text(alphabet=st.characters())
    | st.text(alphabet=st.characters(categories=["Cs", "Cc", "Lo"]))
)
keys = st.sampled_from(["handler", "action", "_ws", "channel", "text", "id", "type", ""]) | st.text()
words = st.sampled_from(["echo", "say", "subscribe", "ping", "change_channel", "default"])
json_values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)
control = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["ping", "pong", "subscribe", "unsubscribe", "subscribed"]) | json_values,
        "id": json_values,
        "channel": json_values | st.text(max_size=200),
    },
)
frames = st.fixed_dictionaries(
    {},
    optional={"handler": words | json_values, "action": words | json_values, "_ws": control | json_values},
) | st.dictionaries(keys, json_values, max_size=5)
bodies = (
    frames.map(lambda frame: json.dumps(frame).encode())
    | frames.map(lambda frame: json.dumps(frame, ensure_ascii=False).encode(errors="surrogatepass"))
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=300)
    | st.text(max_size=300).map(str.encode)
    | st.sampled_from(["utf-16", "utf-32", "utf-8-sig"]).map(lambda name: '{"handler": "echo"}'.encode(name))
)


@given(body=bodies)
@example(body=b"[" * 100_000)
@example(body=b'{"a":' * 20_000)
@example(body=b'{"handler": "echo", "x": ' + b"[" * 500 + b"]" * 500 + b"}")
@example(body=b'{"handler": "echo", "n": ' + b"9" * 5_000 + b"}")
@example(body=b'{"handler": "echo", "n": 1e999}')
@example(body=b'{"handler": "echo", "n": NaN}')
@example(body=b'{"handler": "echo", "n": -Infinity}')
@example(body=b'{"handler": "echo", "handler": "say"}')
@example(body=b'{"handler": "echo", "x": "\\ud800"}')
@example(body=b'{"handler": "echo", "x": "\\u0000"}')
@example(body=b'{"handler": "echo", "\\udfff": 1}')
@example(body=b'{"handler": "echo", "x": "\xed\xa0\x80"}')
@example(body=b'{"handler": "echo", "x": "\xff\xfe"}')
@example(body=b'{"_ws": {"type": "subscribe", "channel": "a\\n"}}')
@example(body=b'{"_ws": {"type": ["subscribe"], "id": {}}}')
@example(body=b'{"_ws": {"type": "ping", "id": 1e308}}')
@example(body=b"")
@example(body=b"\x00")
@example(body=b"{}" + b" " * 131_071)
def test_no_body_breaks_the_view(session: WebSocketSession, body: bytes) -> None:
    request = message_request(session.api_gateway, session.connection_id, body)

    response = EchoView.as_view()(request, route="default")

    assert_unharmed(response, 200, 400, 409, 413)
    if response.content:
        json.loads(response.content)
    assert WebSocketSession.objects.filter(connection_id=session.connection_id, connected=True).count() == 1


# Headers

MAPPED = [
    "connectionId",
    "wsEventType",
    "wsRouteKey",
    "wsSourceIp",
    "wsConnectedAt",
    "wsMessageId",
    "wsOriginSecret",
    "X-Amzn-Apigateway-Api-Id",
    "User-Agent",
    "Origin",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Host",
    "Cookie",
    "Content-Length",
    "X-Forwarded-For",
]
# WSGI hands headers over as Latin-1; ASGI hands over whatever bytes came.
header_text = st.text(alphabet=st.characters(max_codepoint=255), max_size=300)
header_values = (
    header_text
    | st.sampled_from(
        ["", ",", "CONNECT", "MESSAGE", "$connect", "null", "::1", "1e3", "9" * 400, "wstoken."]
    )
    | st.integers().map(str)
    | st.ip_addresses().map(str)
)
headers = st.dictionaries(st.sampled_from(MAPPED), header_values, max_size=4)


@given(
    given_headers=headers,
    kind=st.sampled_from(["connect", "default", "disconnect"]),
    slug=st.text(max_size=12),
)
@example(given_headers={"connectionId": "x" * 5_000}, kind="connect", slug="")
@example(given_headers={"wsConnectedAt": "9" * 14}, kind="connect", slug="")
@example(given_headers={"Content-Length": "9" * 5_000}, kind="default", slug="")
def test_no_header_breaks_the_view(
    gateway: ApiGateway, given_headers: dict[str, str], kind: str, slug: str
) -> None:
    connection_id = new_connection_id()
    request = {
        "connect": lambda: connect_request(gateway, connection_id=connection_id),
        "default": lambda: message_request(gateway, connection_id, {"handler": "say"}),
        "disconnect": lambda: disconnect_request(gateway, connection_id),
    }[kind]()
    for name, value in given_headers.items():
        key = name.upper().replace("-", "_")
        request.META[key if key == "CONTENT_LENGTH" else f"HTTP_{key}"] = value

    response = OpenView.as_view()(request, route=slug if len(slug) > 6 else kind)

    assert_unharmed(response, 200, 400, 403, 409, 410, 413)
    assert WebSocketSession.objects.filter(connection_id=connection_id).count() <= 1


# Query strings and channel names

queries = (
    st.dictionaries(st.sampled_from(["channel", "ws_token", "x"]), st.text(max_size=220), max_size=3)
    .map(lambda fields: "&".join(f"{name}={value}" for name, value in fields.items()))
    .map(lambda text: text.encode(errors="surrogatepass").decode("latin-1"))
    | st.text(alphabet=st.sampled_from("channel=ws_token&;%0aA+\x00\n")).map(str)
    | header_text
)


@given(query=queries)
@example(query="channel=a%00")
@example(query="channel=a%0a")
@example(query="channel=%ff%fe")
@example(query="channel=%ED%A0%80")
@example(query="channel=a&channel=b")
@example(query="ws_token=" + "x" * 4_000)
@example(query="&".join(f"f{number}=1" for number in range(2_000)))
def test_no_query_string_breaks_the_view(gateway: ApiGateway, query: str) -> None:
    connection_id = new_connection_id()
    request = connect_request(gateway, connection_id=connection_id)
    request.META["QUERY_STRING"] = query

    response = OpenView.as_view()(request, route="connect")

    assert_unharmed(response, 200, 400, 403)
    rows = WebSocketSession.objects.filter(connection_id=connection_id)
    assert rows.count() == (1 if response.status_code == 200 else 0)


actions = st.lists(st.sampled_from(["connect", "default", "disconnect", "subscribe"]), max_size=8)


@given(
    order=actions,
    channel=st.text(max_size=200)
    | st.from_regex(r"[A-Za-z0-9_-]{1,191}", fullmatch=True)
    | st.text(alphabet="ab\n\x00 ", max_size=5),
)
def test_no_order_of_events_loses_or_doubles_a_row(
    gateway: ApiGateway, order: list[str], channel: str
) -> None:
    connection_id = new_connection_id()
    frame = {"_ws": {"type": "subscribe", "channel": channel}}
    connected: bool | None = None

    for kind in order:
        request = {
            "connect": lambda: connect_request(gateway, connection_id=connection_id),
            "default": lambda: message_request(gateway, connection_id, {"handler": "say"}),
            "subscribe": lambda: message_request(gateway, connection_id, frame),
            "disconnect": lambda: disconnect_request(gateway, connection_id),
        }[kind]()
        slug = "default" if kind == "subscribe" else kind
        response = OpenView.as_view()(request, route=slug)
        if kind == "connect":
            assert response.status_code == (200 if connected is None else 409)
            connected = True if connected is None else connected
        elif kind == "disconnect":
            assert response.status_code == 200
            connected = False
        else:
            assert_unharmed(response, *((200, 400) if connected else (400, 410)))

    rows = list(WebSocketSession.objects.filter(connection_id=connection_id))
    assert [row.connected for row in rows] == ([] if connected is None else [connected])
    if rows and rows[0].connected:
        names = list(rows[0].subscriptions.values_list("channel_name", flat=True))
        assert names in ([], [channel])


def test_token_of_a_user_is_needed_to_be_one() -> None:
    """The views above are open; this one shows that what they were fuzzed with opens nothing else."""
    UserFactory.create()
    response = StackView.as_view()(connect_request(ApiGatewayFactory.create(), token="x"), route="connect")

    assert response.status_code == 403
