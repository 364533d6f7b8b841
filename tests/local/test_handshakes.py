"""Who is let in, and what the others are answered."""

from __future__ import annotations

import asyncio
import http.client
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.local.backend import Reply
from tests.local.conftest import World
from websocket_gateway.local.protocol import GatewaySocketProtocol

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
    from uvicorn._types import ASGISendEvent


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


def test_client_that_knows_that_it_is_connected_can_be_posted_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.serve()
    send = GatewaySocketProtocol.send

    async def slowly(self: GatewaySocketProtocol, message: ASGISendEvent) -> None:
        await send(self, message)
        if message["type"] == "websocket.accept":  # a busy machine takes the processor away just here
            await asyncio.sleep(0.3)

    monkeypatch.setattr(GatewaySocketProtocol, "send", slowly)

    with world.connect() as socket:
        (connection,) = world.gateway.connections()
        world.management().post_to_connection(ConnectionId=connection.id, Data=b"welcome")
        assert socket.recv(timeout=5) == "welcome"


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
