"""Trouble on demand, the other form of what is uncertain, signatures, and the fixtures."""

from __future__ import annotations

import json
import socket as sockets
import threading
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.local.backend import Reply
from tests.local.conftest import World, client
from websocket_gateway.local.options import Call, Quirks
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway


def status_of(call: Any) -> int:
    """The HTTP status of a call, refused or not."""
    try:
        answer = call()
    except ClientError as exc:
        answer = exc.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def test_posts_can_be_throttled_failed_and_dropped(world: World) -> None:
    world.serve()
    management = world.management()
    faults = world.gateway.faults

    with world.connect() as socket:
        name = world.connection_id()

        def post(data: bytes = b"x") -> int:
            return status_of(lambda: management.post_to_connection(ConnectionId=name, Data=data))

        faults.throttle_posts = 0.5
        assert [post() for _ in range(4)] == [200, 429, 200, 429]
        faults.clear()
        faults.fail_posts = 1.0
        assert post() == 500
        faults.clear()
        faults.drop_posts = 1.0
        assert post(b"dropped") == 200
        faults.clear()
        assert post(b"last") == 200
        assert [socket.recv(timeout=5) for _ in range(3)] == ["x", "x", "last"]


def test_messages_can_be_dropped_and_delayed(world: World) -> None:
    world.serve()
    faults = world.gateway.faults

    with world.connect() as socket:
        faults.drop_messages = 0.5
        for text in ("1", "2", "3"):
            socket.send(text)
        assert sorted(str(socket.recv(timeout=5)) for _ in range(2)) == ["1", "3"]
        faults.clear()
        faults.delay_messages = 2.0
        socket.send("late")
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.2)
        assert socket.recv(timeout=5) == "late"


def test_disconnects_can_be_skipped(world: World) -> None:
    world.serve(RequestParameters={"integration.request.header.wsId": "context.connectionId"})
    world.gateway.faults.skip_disconnects = 0.5
    names = []

    for _ in range(3):
        with world.connect():
            names.append(world.connection_id())
        world.gateway.wait_until(lambda: not world.gateway.connections())

    told = world.backend.wait_for("/disconnect", 2)
    assert [request.header("wsId") for request in told] == [names[0], names[2]]


def test_control_calls_can_fail_and_be_watched(world: World) -> None:
    seen: list[tuple[str, str]] = []

    def watch(call: Call) -> None:
        seen.append((call.operation, call.phase))

    faults = world.gateway.faults
    faults.on_call = watch
    world.create_api()
    world.gateway.wait_until(lambda: len(seen) == 3)
    assert seen == [("CreateApi", "received"), ("CreateApi", "effected"), ("CreateApi", "replied")]

    faults.control_errors = {
        "CreateRoute": (403, "AccessDeniedException"),
        "*": (429, "TooManyRequestsException"),
    }
    assert status_of(lambda: world.control.create_route(ApiId=world.api_id, RouteKey="x")) == 403
    assert status_of(lambda: world.control.get_apis()) == 429
    faults.clear()
    assert world.control.get_routes(ApiId=world.api_id)["Items"] == []


@pytest.mark.parametrize("gateway_options", [{"quirks": Quirks(two_way_error="error")}])
def test_two_way_error_frame_instead_of_the_body(world: World) -> None:
    world.backend.answer = lambda request: Reply(
        status=404 if request.target == "/default" else 200, body=b"secret"
    )
    world.serve()

    with world.connect() as socket:
        socket.send("x")
        assert json.loads(socket.recv(timeout=5))["message"] == "Internal server error"


@pytest.mark.parametrize("gateway_options", [{"quirks": Quirks(disconnect_status="mapped")}])
def test_disconnect_status_can_be_mapped(world: World) -> None:
    header = "integration.request.header."
    world.serve(
        RequestParameters={
            header + "wsCode": "context.disconnectStatusCode",
            header + "wsReason": "context.disconnectReason",
        }
    )

    with world.connect() as socket:
        socket.close(4002, "bye")

    [request] = world.backend.wait_for("/disconnect")
    assert (request.header("wsCode"), request.header("wsReason")) == ("4002", "bye")


@pytest.mark.parametrize("gateway_options", [{"quirks": Quirks(disconnect_status="mapped")}])
@pytest.mark.parametrize(
    ("farewell", "status"),
    [pytest.param(b"", "1006", id="none"), pytest.param(b"\x88\x80\0\0\0\0", "1005", id="no status")],
)
def test_a_client_that_vanishes_is_told_from_one_that_says_good_bye(
    world: World, farewell: bytes, status: str
) -> None:
    world.serve(
        RequestParameters={"integration.request.header.wsCode": "context.disconnectStatusCode"},
    )

    with world.connect() as socket:
        socket.socket.sendall(farewell)
        with suppress(OSError):  # the gateway may have closed it already, in answer to the farewell
            socket.socket.shutdown(sockets.SHUT_WR)

        [request] = world.backend.wait_for("/disconnect")
    assert request.header("wsCode") == status


@pytest.mark.parametrize(
    ("gateway_options", "stays"),
    [
        ({"idle_timeout": 2.0, "quirks": Quirks(ping_activity="counts")}, True),
        ({"idle_timeout": 2.0}, False),
    ],
)
def test_pings_and_the_idle_timeout(world: World, stays: bool) -> None:
    world.serve()

    with (
        world.connect(ping_interval=0.2) as socket,
        pytest.raises(TimeoutError if stays else ConnectionClosed),
    ):
        socket.recv(timeout=3.0)


@pytest.mark.parametrize(
    ("gateway_options", "status"),
    [({}, 403), ({"quirks": Quirks(disabled_endpoint_callbacks="served")}, 410)],
)
def test_callbacks_on_a_disabled_endpoint(world: World, status: int) -> None:
    world.create_api(DisableExecuteApiEndpoint=True)
    world.add_route("$default")
    world.deploy()

    assert status_of(lambda: world.management().get_connection(ConnectionId="AAAAAAAAAAAAAAA=")) == status


@pytest.mark.parametrize(
    ("gateway_options", "code"),
    [({}, "PayloadTooLargeException"), ({"quirks": Quirks(payload_too_large_code="absent")}, "413")],
)
def test_code_of_a_413(world: World, code: str) -> None:
    world.serve()

    with pytest.raises(ClientError) as caught:
        world.management().post_to_connection(ConnectionId="AAAAAAAAAAAAAAA=", Data=b"x" * 131073)

    assert caught.value.response["Error"]["Code"] == code


@pytest.mark.parametrize("gateway_options", [{"verify_secret": "testing"}])
def test_signatures_are_verified(world: World) -> None:
    world.serve()
    stranger = client("apigatewayv2", world.gateway.endpoint_url, secret="wrong")
    management = client("apigatewaymanagementapi", world.management().meta.endpoint_url, secret="wrong")

    assert status_of(lambda: world.control.get_apis(MaxResults="5")) == 200
    assert status_of(lambda: stranger.get_apis()) == 403
    with world.connect() as socket:
        name = world.connection_id()
        assert status_of(lambda: management.post_to_connection(ConnectionId=name, Data=b"x")) == 403
        assert status_of(lambda: world.management().post_to_connection(ConnectionId=name, Data=b"x")) == 200
        assert socket.recv(timeout=5) == "x"


def test_iam_authorization_at_connect_wants_a_signature(world: World) -> None:
    world.create_api()
    world.add_route("$connect", route={"AuthorizationType": "AWS_IAM"})
    world.deploy()

    with pytest.raises(InvalidStatus):
        world.connect()
    with world.connect(additional_headers={"Authorization": "AWS4-HMAC-SHA256 Credential=x"}):
        pass


def test_mock_integrations_need_no_backend_and_lambda_ones_fail(world: World) -> None:
    world.create_api()
    world.add_route("$connect", IntegrationType="MOCK", IntegrationMethod="POST")
    world.add_route("lambda", IntegrationType="AWS_PROXY", IntegrationUri="arn:aws:lambda:x")
    world.control.create_route(ApiId=world.api_id, RouteKey="nowhere")
    world.deploy()

    with world.connect() as socket:
        for key in ("lambda", "nowhere"):
            socket.send(json.dumps({"action": key}))
            assert json.loads(socket.recv(timeout=5))["message"] == "Internal server error"
    assert world.backend.requests == []


def test_a_deleted_stage_closes_its_sockets(world: World) -> None:
    world.serve()

    with world.connect() as socket:
        world.control.delete_stage(ApiId=world.api_id, StageName="prod")
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=5)

    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001


def test_a_client_that_vanishes_during_connect_is_disconnected(world: World) -> None:
    world.backend.answer = lambda request: Reply(delay=1.0 if request.target == "/connect" else 0)
    world.serve()
    plain = sockets.create_connection(("127.0.0.1", world.gateway.port))
    request = (
        f"GET /_api/{world.api_id}/prod HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    plain.sendall(request.encode())
    world.backend.wait_for("/connect")

    plain.close()

    world.backend.wait_for("/disconnect")
    assert world.gateway.connections() == ()


def test_stopping_fires_disconnect_for_every_socket(world: World) -> None:
    world.serve()
    with ExitStack() as stack:
        open_sockets = [stack.enter_context(world.connect()) for _ in range(5)]

        world.gateway.gateway.stop()

        assert len(world.backend.at("/disconnect")) == 5
        for socket in open_sockets:
            with pytest.raises(ConnectionClosed) as caught:
                socket.recv(timeout=5)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001


def test_a_slow_connect_does_not_hold_up_the_stop(world: World) -> None:
    # Well within the two seconds that the fixture's gateway waits for what is under way.
    world.backend.answer = lambda request: Reply(delay=1.0 if request.target == "/connect" else 0)
    world.serve()
    outcome: list[int] = []

    def connect() -> None:
        try:
            with world.connect():
                pass
        except InvalidStatus as exc:
            outcome.append(exc.response.status_code)

    thread = threading.Thread(target=connect)
    thread.start()
    world.backend.wait_for("/connect")
    world.gateway.gateway.stop()
    thread.join()

    assert outcome == [503]
    assert len(world.backend.at("/disconnect")) == 1


def test_the_fixture_gives_a_gateway(local_gateway: GatewayHandle) -> None:
    assert client("apigatewayv2", local_gateway.endpoint_url).get_apis()["Items"] == []
    assert local_gateway.gateway.options.serialize is False


def test_the_django_fixture_points_the_settings_at_it(
    django_local_gateway: GatewayHandle, settings: Any
) -> None:
    assert django_local_gateway.endpoint_url == settings.WEBSOCKET_GATEWAY["ENDPOINT_URL"]


def test_what_was_forwarded_can_be_inspected(world: World) -> None:
    world.serve()

    with world.connect() as socket:
        name = world.connection_id()
        socket.send("hello")
        socket.recv(timeout=5)

    world.gateway.wait_until(lambda: len(world.gateway.requests) == 3)
    assert [(item.kind, item.route_key, item.status) for item in world.gateway.requests] == [
        ("CONNECT", "$connect", 200),
        ("MESSAGE", "$default", 200),
        ("DISCONNECT", "$disconnect", 200),
    ]
    assert {item.connection_id for item in world.gateway.requests} == {name}
    with pytest.raises(AssertionError, match="the condition was not met"):
        world.gateway.wait_until(lambda: False, timeout=0.01)


def test_two_gateways_side_by_side() -> None:
    with local_gateway() as first, local_gateway() as second:
        client("apigatewayv2", first.endpoint_url).create_api(
            Name="x", ProtocolType="WEBSOCKET", RouteSelectionExpression="\\$default"
        )
        assert first.port != second.port
        assert client("apigatewayv2", second.endpoint_url).get_apis()["Items"] == []
