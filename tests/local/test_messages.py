"""Messages of a client: the route they take, the frame that answers them, what closes the socket."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.local.backend import Received, Reply
from tests.local.conftest import World

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
