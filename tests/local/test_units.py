"""The pieces of the local gateway that need no socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from websocket_gateway.local.connections import Connection, Registry, new_opaque_id
from websocket_gateway.local.errors import BadRequestError, LimitExceededError, LocalGatewayError
from websocket_gateway.local.model import find_operation, load_operations, parse_input
from websocket_gateway.local.operations import OPERATIONS
from websocket_gateway.local.options import (
    Faults,
    GatewayOptions,
    Quirks,
    is_loopback,
    parse_quirks,
    quirk_choices,
)
from websocket_gateway.local.routing import find_address, host_name
from websocket_gateway.local.store import Store


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

    assert [faults.occurs("throttle_posts") for _ in range(8)] == [False, False, False, True] * 2
    assert faults.occurs("drop_posts")
    assert not faults.occurs("fail_posts")
    faults.clear()
    assert not faults.occurs("drop_posts")


def test_ten_percent_is_ten_in_a_hundred() -> None:
    faults = Faults(throttle_posts=0.1)

    assert sum(faults.occurs("throttle_posts") for _ in range(100)) == 10


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

    monkeypatch.setattr(connections, "SEND_TIMEOUT_SECONDS", 0.01)
    asyncio.run(run())

    assert aborted == [True]
