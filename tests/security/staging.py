"""Two installations (two values of SECRET_KEY) over one local gateway: staging copied production's rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.factories import WebSocketSessionFactory
from tests.local.backend import Backend
from tests.support.commands import run
from tests.support.proxy import KillingProxy
from websocket_gateway.logins import hash_session_auth, hash_session_key
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.testing.gateway import GatewayHandle

MESSAGE = {"type": "hello"}
WHY = "belongs to another installation (another SECRET_KEY, or a copied database)"


@dataclass
class Staging:
    """Staging's view: production's row with two open sockets, and a gateway of its own with one."""

    proxy: KillingProxy
    backend: Backend
    gateway: GatewayHandle
    foreign: ApiGateway
    own: ApiGateway
    foreign_sockets: list[ClientConnection]
    own_socket: ClientConnection
    user: Any

    @property
    def rows(self) -> Any:
        """Production's sessions."""
        return WebSocketSession.objects.filter(api_gateway=self.foreign)

    @property
    def aws(self) -> Any:
        """The control plane, past the proxy."""
        return boto3.client("apigatewayv2", endpoint_url=self.gateway.endpoint_url, region_name="eu-west-1")

    def calls_to(self, gateway: ApiGateway) -> list[str]:
        """The calls to connections of that gateway."""
        return [call for call in self.proxy.calls if gateway.api_id in call and "@connections" in call]

    def assert_production_is_untouched(self) -> None:
        """No call about its connections, no frame, no closed socket."""
        assert self.calls_to(self.foreign) == []
        for socket in self.foreign_sockets:
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.05)
            socket.ping().wait(5)
        assert len(self.gateway.connections()) == 3


def install(name: str, backend: Backend) -> ApiGateway:
    ended = run("create_gateway", name, "--target", f"{backend.url}/ws/", "--default-channel", "lobby")
    assert ended.status == 0, ended
    return ApiGateway.objects.get(api_name=name)


def open_socket(gateway: ApiGateway, handle: GatewayHandle, user: Any) -> ClientConnection:
    before = {item.id for item in handle.connections()}
    socket = connect(f"{gateway.api_endpoint}/{gateway.stage_name}", proxy=None)
    handle.wait_until(lambda: len(handle.connections()) > len(before))
    (found,) = {item.id for item in handle.connections()} - before
    WebSocketSessionFactory.create(
        connection_id=found,
        api_gateway=gateway,
        channel_name="lobby",
        user=user,
        session_auth_hash=hash_session_auth(user),
        session_key_hash=hash_session_key("of-production"),
    )
    return socket


def assert_refused(report: Any, *, delivered: int) -> None:
    assert (report.delivered, report.gone, report.failed) == (delivered, 0, 2)
    ((reason, count),) = report.reasons.items()
    assert WHY in reason
    assert "`manage.py delete_gateway chat --forget`" in reason
    assert count == 2
