"""Clients that boto3 and the WebSocket libraries would never be: raw bytes, wrong types, no reading."""

from __future__ import annotations

import datetime
import http.client
import ipaddress
import json
import socket as sockets
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from tests.local.backend import Backend
from tests.local.conftest import World

API = {"name": "x", "protocolType": "WEBSOCKET", "routeSelectionExpression": "$request.body.action"}


def call(world: World, method: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """One signed-looking call."""
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port)
    connection.request(method, path, body=body, headers={"Authorization": "AWS4-HMAC-SHA256 x"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, json.loads(content or b"{}")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"\xff", id="no UTF-8"),
        pytest.param(b"[" * 100_000, id="deeply nested"),
        pytest.param(b"", id="nothing"),
        *(
            pytest.param(json.dumps({**API, name: value}).encode(), id=f"{name} = {value!r}")
            for name, value in (
                ("name", 5),
                ("name", ""),
                ("name", None),
                ("protocolType", "websocket"),
                ("tags", []),
                ("tags", {"a": 1}),
                ("disableExecuteApiEndpoint", "yes"),
                ("corsConfiguration", "x"),
                ("corsConfiguration", {"allowHeaders": "x"}),
                ("corsConfiguration", {"maxAge": "x"}),
            )
        ),
    ],
)
def test_wrong_bodies_are_400(world: World, body: bytes) -> None:
    status, answer = call(world, "POST", "/v2/apis", body)

    assert status == 400
    assert answer["message"]
    assert call(world, "GET", "/v2/apis", b"")[1] == {"items": []}


def test_a_body_of_megabytes_is_413(world: World) -> None:
    status, _ = call(world, "POST", "/v2/apis", b"x" * 3_000_000)

    assert status == 413


def test_updates_and_deletions(world: World) -> None:
    world.serve()
    control = world.control
    routes = {
        route["RouteKey"]: route["RouteId"] for route in control.get_routes(ApiId=world.api_id)["Items"]
    }
    ids = {"ApiId": world.api_id, "RouteId": routes["$connect"]}
    parameter = "route.request.querystring.token"

    control.update_route(**ids, RequestParameters={parameter: {"Required": True}})
    assert control.get_route(**ids)["RequestParameters"] == {parameter: {"Required": True}}
    control.delete_route_request_parameter(**ids, RequestParameterKey=parameter)
    with pytest.raises(ClientError, match="Invalid parameter key"):
        control.delete_route_request_parameter(**ids, RequestParameterKey=parameter)
    control.update_route(**ids, RouteResponseSelectionExpression="$default")
    control.update_route(**ids, RouteResponseSelectionExpression="")
    assert "RouteResponseSelectionExpression" not in control.get_route(**ids)

    [old] = control.get_deployments(ApiId=world.api_id)["Items"]
    world.deploy()
    deployment = {"ApiId": world.api_id, "DeploymentId": old["DeploymentId"]}
    assert control.update_deployment(**deployment, Description="old")["Description"] == "old"
    control.delete_deployment(**deployment)
    with pytest.raises(ClientError, match="Invalid Deployment identifier"):
        control.get_deployment(**deployment)
    with pytest.raises(ClientError, match="required"):
        control.update_api(ApiId=world.api_id, RouteSelectionExpression="")


def test_invalid_utf8_in_a_text_frame_is_1007(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.serve()

    with world.connect() as socket:
        frame = Frame(Opcode.TEXT, b"\xff\xfe").serialize(mask=True)
        socket.socket.sendall(frame)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=5)

    assert socket.close_code == 1007
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("version", ["8", "x", ""])
def test_a_wrong_websocket_version_is_refused_without_asking_the_backend(world: World, version: str) -> None:
    world.serve()
    connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port)

    connection.request(
        "GET",
        f"/_api/{world.api_id}/prod",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": version,
        },
    )
    status = connection.getresponse().status
    connection.close()

    assert 400 <= status < 500
    assert world.backend.requests == []


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(["Cookie: " + "x" * 9000], id="a line of 9 KB"),
        pytest.param([f"X-{number}: x" for number in range(300)], id="300 lines"),
    ],
)
def test_a_handshake_with_too_many_headers_is_answered(world: World, lines: list[str]) -> None:
    world.serve()
    request = [
        f"GET /_api/{world.api_id}/prod HTTP/1.1",
        f"Host: 127.0.0.1:{world.gateway.port}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *lines,
    ]

    with sockets.create_connection(("127.0.0.1", world.gateway.port), timeout=5) as client:
        client.sendall("\r\n".join([*request, "", ""]).encode())
        status = client.makefile("rb").readline().split()[1]

    assert status in (b"400", b"431")
    assert not world.backend.requests


def test_a_client_that_does_not_read_gets_429_and_can_be_closed(world: World) -> None:
    world.serve()
    management = world.management()
    plain = sockets.socket()
    plain.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    plain.connect(("127.0.0.1", world.gateway.port))
    request = (
        f"GET /_api/{world.api_id}/prod HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    plain.sendall(request.encode())
    name = world.connection_id()

    def post_many() -> None:
        for _ in range(200):
            management.post_to_connection(ConnectionId=name, Data=b"x" * 131072)

    with pytest.raises(management.exceptions.LimitExceededException):
        post_many()
    assert management.get_connection(ConnectionId=name)["Identity"]["SourceIp"] == "127.0.0.1"
    management.delete_connection(ConnectionId=name)

    assert world.gateway.connections() == ()
    world.backend.wait_for("/disconnect")
    plain.close()


def test_messages_sent_right_before_the_close_are_forwarded(world: World) -> None:
    world.serve()

    with world.connect() as socket:
        for number in range(20):
            socket.send(str(number))

    forwarded = world.backend.wait_for("/default", 20)
    assert sorted(int(request.body) for request in forwarded) == list(range(20))
    assert len(world.backend.wait_for("/disconnect")) == 1


def test_a_hundred_sockets_that_leave_at_once(world: World) -> None:
    world.serve()
    barrier = threading.Barrier(100)

    def visit() -> None:
        with world.connect() as socket:
            socket.send("x")
            socket.recv(timeout=20)
            barrier.wait(20)

    threads = [threading.Thread(target=visit) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(world.backend.wait_for("/disconnect", 100, timeout=20)) == 100
    assert len(world.backend.at("/connect")) == len(world.backend.at("/default")) == 100
    assert world.gateway.connections() == ()


def certificate(directory: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    file = directory / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.mark.parametrize("trusted", [True, False])
def test_a_backend_over_tls(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    file = certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    backend = Backend()
    backend.listener = context.wrap_socket(backend.listener, server_side=True)
    backend.start()
    world.create_api()
    world.add_route("$default", two_way=True, IntegrationUri=f"https://127.0.0.1:{backend.port}/default")
    world.deploy()

    with world.connect() as socket:
        socket.send("hello")
        answer = str(socket.recv(timeout=5))
    backend.stop()

    assert answer == "hello" if trusted else "Internal server error" in answer
