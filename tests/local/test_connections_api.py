"""`@connections`: what boto3 can do to a socket, and who may not ask at all."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable

import pytest
from websockets.exceptions import ConnectionClosed

from tests.local.backend import Received, Reply
from tests.local.conftest import World
from tests.local.refusals import refused


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
