"""The state file: what it keeps, who may read it, what happens when it is damaged."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.local.backend import Backend
from tests.local.conftest import World, client
from websocket_gateway.local.errors import LocalGatewayError
from websocket_gateway.local.gateway import LocalGateway
from websocket_gateway.local.options import GatewayOptions
from websocket_gateway.local.state import load_state, save_state
from websocket_gateway.local.store import Store
from websocket_gateway.testing.gateway import local_gateway


def test_everything_survives_a_restart(backend: Backend, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with local_gateway(state=state) as gateway:
        world = World(gateway, backend)
        world.serve()
        api_id = world.api_id

    with local_gateway(state=state) as gateway:
        again = World(gateway, backend)
        [api] = again.control.get_apis()["Items"]
        assert api["ApiId"] == api_id
        assert f":{gateway.port}/" in api["ApiEndpoint"]
        again.api_endpoint = api["ApiEndpoint"]
        with again.connect() as socket:
            socket.send("hello")
            assert socket.recv(timeout=5) == "hello"
        again.control.delete_api(ApiId=api_id)

    with local_gateway(state=state) as gateway:
        assert client("apigatewayv2", gateway.endpoint_url).get_apis()["Items"] == []


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"version": 1, "apis": [], "domains": []}')
    state.chmod(0o644)

    with local_gateway(state=state) as gateway:
        client("apigatewayv2", gateway.endpoint_url).create_api(
            Name="x", ProtocolType="WEBSOCKET", RouteSelectionExpression="\\$default"
        )

    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_missing_file_is_an_empty_gateway(tmp_path: Path) -> None:
    store = Store()

    load_state(store, tmp_path / "nothing.json")

    assert store.apis == {}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"version": 2, "apis": [], "domains": []}', id="another version"),
        pytest.param(b'{"version": 1, "apis": {"a": 1}, "domains": []}', id="wrong type"),
        pytest.param(b'{"version": 1, "apis": [{"api": {}}], "domains": []}', id="no id"),
        pytest.param(b'{"version": 1}', id="nothing in it"),
        pytest.param(b'{"version": 1, "apis": {}, "domains": []}', id="no list"),
        pytest.param(
            b'{"version": 1, "apis": [{"api": {"apiId": "x"}, "routes": []}], "domains": []}', id="no table"
        ),
        pytest.param(
            b'{"version": 1, "apis": [{"api": {"apiId": "x"}, "stages": {"live": 3}}], "domains": []}',
            id="no record in a table",
        ),
        pytest.param(
            b'{"version": 1, "apis": [], "domains": [{"domain": {"domainName": "x"}, "asked_before": "no"}]}',
            id="no truth value",
        ),
    ],
)
def test_a_damaged_file_is_named_in_one_line(tmp_path: Path, content: bytes) -> None:
    state = tmp_path / "state.json"
    state.write_bytes(content)

    with pytest.raises(LocalGatewayError) as caught:
        LocalGateway(GatewayOptions(port=0, state=state))

    assert str(state) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert state.read_bytes() == content


@pytest.mark.parametrize("name", ["", "missing/state.json"])
def test_a_path_that_can_never_be_written_is_refused_at_the_start(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalGatewayError):
        LocalGateway(GatewayOptions(port=0, state=tmp_path / name))


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    save_state(Store(), state)
    before = state.read_bytes()
    broken = Store()
    broken.domains["x"] = object()  # type: ignore[assignment]

    with pytest.raises(TypeError):
        save_state(broken, state)

    assert state.read_bytes() == before
    assert json.loads(before)["version"] == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_change_that_cannot_be_saved_is_not_confirmed(backend: Backend, tmp_path: Path) -> None:
    directory = tmp_path / "sub"
    directory.mkdir()
    with local_gateway(state=directory / "state.json") as gateway:
        world = World(gateway, backend)
        directory.rmdir()

        with pytest.raises(world.control.exceptions.ClientError) as caught:
            world.create_api()

    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_a_file_that_another_gateway_uses_is_refused_at_the_start(backend: Backend, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    options = GatewayOptions(port=0, state=state)

    with local_gateway(state=state) as gateway:
        World(gateway, backend).create_api()
        with pytest.raises(LocalGatewayError, match=r"state\.json is used by another local gateway"):
            LocalGateway(options)

    LocalGateway(options).stop()


def test_of_two_gateways_that_begin_with_no_file_one_may_write_it(backend: Backend, tmp_path: Path) -> None:
    state = tmp_path / "state.json"

    with local_gateway(state=state) as first, local_gateway(state=state) as second:
        World(first, backend).create_api()
        with pytest.raises(ClientError, match="used by another local gateway"):
            World(second, backend).create_api()
        written = json.loads(state.read_text())

    assert len(written["apis"]) == 1
