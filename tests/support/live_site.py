"""A project whose gateway holds real sockets: Django's live server behind a local gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from socket import create_connection
from typing import Any

import boto3
import pytest
from django.http import HttpRequest
from django.urls import path
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.support.commands import Ended, run
from websocket_gateway.connections import find_socket_url
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.receiving.authentication import forget_gateways
from websocket_gateway.testing.gateway import GatewayHandle
from websocket_gateway.views import WebSocketView


class EchoView(WebSocketView):
    """Open to everybody who comes from an allowed page."""

    USE_WS_TOKEN = False

    def echo(self, request: HttpRequest) -> dict[str, Any]:
        return {"echo": self.body.get("text")}


class MovingView(EchoView):
    """The same in a release that serves a route of its own."""

    websocket_route_keys = ("move",)


def urls(view: type[WebSocketView]) -> type:
    """A URLconf with that view."""
    return type("Urls", (), {"urlpatterns": [path("ws/<slug:route>", view.as_view())]})


@dataclass
class LiveSite:
    """One gateway, `chat`, and its pages."""

    handle: GatewayHandle
    target: str
    stack: ExitStack = field(repr=False)

    @property
    def aws(self) -> Any:
        """boto3's own client of the control plane."""
        return boto3.client("apigatewayv2", endpoint_url=self.handle.endpoint_url)

    @property
    def row(self) -> ApiGateway:
        return ApiGateway.objects.get(api_name="chat")

    @property
    def page_url(self) -> str:
        """What a page gives its clients."""
        return find_socket_url(self.row)

    @property
    def stages(self) -> set[str]:
        """The stages that AWS has."""
        return {item["StageName"] for item in self.aws.get_stages(ApiId=self.row.api_id)["Items"]}

    def succeed(self, *argv: str) -> Ended:
        """Run a command, which must succeed."""
        ended = run(*argv)
        assert ended.status == 0, ended
        forget_gateways()  # a process keeps rows for some seconds
        return ended

    def open(self, url: str = "", **headers: str) -> ClientConnection:
        """A socket in the lobby, of a page that is loaded now or of one that has an older address."""
        address = f"{url or self.page_url}?channel=lobby"
        plain = None
        if address.startswith("wss://"):  # a custom domain: there is neither DNS nor a certificate here
            address = address.replace("wss://", "ws://")
            plain = create_connection(("127.0.0.1", self.handle.port))
        opened = connect(
            address, origin=Origin("https://testserver"), additional_headers=headers, sock=plain, proxy=None
        )
        return self.stack.enter_context(opened)

    def end(self, socket: ClientConnection) -> None:
        """Close a socket, and wait until its session has ended."""
        open_before = WebSocketSession.objects.connected().count()
        socket.close()
        self.handle.wait_until(lambda: WebSocketSession.objects.connected().count() < open_before)


def say(socket: ClientConnection, text: str, **more: str) -> Any:
    """Send a message, and return what its handler answered."""
    socket.send(json.dumps({"handler": "echo", "text": text, "_ws": {"id": "1"}, **more}))
    answer = json.loads(socket.recv(timeout=20))
    return answer.get("echo", answer)


def hear(socket: ClientConnection) -> Any:
    """The next frame of a socket."""
    return json.loads(socket.recv(timeout=20))


@pytest.fixture(name="live")
def live_fixture(live_server: Any, django_local_gateway: GatewayHandle, settings: Any) -> Iterator[LiveSite]:
    """A project whose gateway is not created yet."""
    settings.ROOT_URLCONF = urls(EchoView)
    with ExitStack() as stack:
        yield LiveSite(handle=django_local_gateway, target=f"{live_server.url}/ws/", stack=stack)
