"""The whole move, on one API: sockets of the old code live on, and nothing is refused on the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.legacy import schema
from tests.support.commands import run
from websocket_gateway.context_headers import LEGACY_SECRET_HEADER as SECRET_HEADER
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.views import WebSocketView

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.test_moving_over"),
]

SECRET = "an-old-secret-of-more-than-32-characters"
ORIGIN = "https://www.example.com"
moved = threading.Event()
"""Set once the web processes run the new code."""


def old_code(request: HttpRequest, route: str) -> HttpResponse:
    """What matters of the old code: it keeps connections in its own table."""
    connection_id = request.headers["Connectionid"]
    if request.headers[SECRET_HEADER] != SECRET:
        return HttpResponse(status=403)
    if route == "connect":
        gateway = schema.Gateway._default_manager.get()
        schema.add_session(gateway, connection_id, channel_name=request.GET.get("channel", ""))
    elif route == "disconnect":
        schema.Session._default_manager.filter(connection_id=connection_id).update(connected=False)
    return JsonResponse({})


class NewCode(WebSocketView):
    USE_WS_TOKEN = False

    def echo(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        self.websocket_session.send_message({"echo": self.body["text"]})
        return JsonResponse({"ok": True})  # one-way: this never reaches the client


@csrf_exempt
def site(request: HttpRequest, route: str) -> Any:
    return NewCode.as_view()(request, route=route) if moved.is_set() else old_code(request, route)


urlpatterns = [path("ws/<slug:route>", site)]


@pytest.fixture
def old_site(settings: Any, django_local_gateway: Any, transactional_db: None) -> Iterator[None]:
    settings.WEBSOCKETS = {"gateway_secret": SECRET}
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "ALLOWED_ORIGINS": [ORIGIN]}
    moved.clear()
    with schema.legacy_tables(*schema.TABLES):
        yield


def build_api(endpoint_url: str, target: str) -> tuple[str, dict[str, str]]:
    """An API as the other package makes one: no marks, one mapped header and the secret."""
    control = boto3.client("apigatewayv2", endpoint_url=endpoint_url, region_name="eu-west-1")
    api = control.create_api(
        Name="chat",
        ProtocolType="WEBSOCKET",
        RouteSelectionExpression="$request.body.action",
        ApiKeySelectionExpression="$request.header.x-api-key",
        DisableSchemaValidation=True,
    )
    api_id = api["ApiId"]
    for key in ("$connect", "$disconnect", "$default", "notify"):
        integration = control.create_integration(
            ApiId=api_id,
            ConnectionType="INTERNET",
            IntegrationMethod="POST",
            IntegrationType="HTTP_PROXY",
            IntegrationUri=target + key.removeprefix("$"),
            PassthroughBehavior="WHEN_NO_MATCH",
            PayloadFormatVersion="1.0",
            RequestParameters={
                "integration.request.header.connectionId": "context.connectionId",
                f"integration.request.header.{SECRET_HEADER}": f"'{SECRET}'",
            },
            TimeoutInMillis=29000,
        )
        two_way = (
            {} if key in ("$connect", "$disconnect") else {"RouteResponseSelectionExpression": "$default"}
        )
        control.create_route(
            ApiId=api_id,
            ApiKeyRequired=False,
            AuthorizationType="NONE",
            RouteKey=key,
            Target=f"integrations/{integration['IntegrationId']}",
            **two_way,  # type: ignore[arg-type]
        )
    control.create_stage(ApiId=api_id, StageName="production")
    deployment = control.create_deployment(ApiId=api_id, StageName="production")
    return api_id, {"api_endpoint": api["ApiEndpoint"], "deployment_id": deployment["DeploymentId"]}


def build_gateway(endpoint_url: str, target: str) -> Any:
    """The same with its row in the old tables."""
    api_id, values = build_api(endpoint_url, target)
    gateway = schema.add_gateway(api_name="chat", target_base_endpoint=target, api_id=api_id, **values)
    schema.add_route(gateway, "notify", integration_url=f"{target}notify")
    return gateway


def opened(gateway: Any) -> ClientConnection:
    url = f"{gateway.api_endpoint}/production?channel=lobby"
    return connect(url, origin=Origin(ORIGIN), proxy=None, compression=None)


def say(socket: ClientConnection, text: str, key: str = "echo") -> None:
    """Send a message and wait for its echo; any other frame is an error."""
    socket.send(json.dumps({"action": key, "handler": "echo", "text": text}))
    assert json.loads(socket.recv(timeout=20)) == {"echo": text}


class Talking(threading.Thread):
    """A client that talks without pause."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__()
        self.socket, self.enough, self.said = socket, threading.Event(), 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.enough.is_set():
                say(self.socket, f"talk {self.said}")
                self.said += 1
        except BaseException as exc:  # noqa: BLE001 - told to the test
            self.error = exc


def test_sockets_live_on_while_the_gateway_moves_over(
    live_server: Any, django_local_gateway: Any, old_site: None
) -> None:
    handle = django_local_gateway
    old = build_gateway(handle.endpoint_url, f"{live_server.url}/ws/")
    with opened(old) as before:
        assert run("import_legacy_gateways").status == 0
        moved.set()  # the deploy
        with opened(old) as between:
            say(before, "opened under the old code")
            say(between, "opened on the old mappings")
            say(between, "by a route of its own", key="notify")

            talking = Talking(before)
            talking.start()
            ended = run("sync_routes", "chat")
            talking.enough.set()
            talking.join(timeout=30)

            assert (ended.status, talking.error) == (0, None), ended.stderr
            assert talking.said > 0
            with opened(old) as after:
                for socket in (before, between, after):
                    say(socket, "on the new mappings")
                say(before, "by a route of its own", key="notify")

    handle.wait_until(lambda: not WebSocketSession.objects.filter(connected=True).exists(), timeout=20)
    assert WebSocketSession.objects.count() == 3
    assert {forwarded.status for forwarded in handle.requests} == {200}
    last = {name.lower() for name, _ in handle.requests[-1].request.headers}
    assert "wsoriginsecret" in last
    assert SECRET_HEADER.lower() not in last
    assert run("sync_routes", "--check").status == 0
    assert run("import_legacy_gateways").stdout == (
        "Nothing to do: everything that can be imported is here.\n"
    )
    gateway = ApiGateway.objects.get()
    assert (gateway.api_id, gateway.api_endpoint) == (old.api_id, old.api_endpoint)


@pytest.mark.parametrize("argv", [["--dry-run"], ["--dry-run", "--format", "json"], ["--format", "json"], []])
def test_old_secret_is_shown_by_no_plan(
    live_server: Any, django_local_gateway: Any, old_site: None, argv: list[str]
) -> None:
    build_gateway(django_local_gateway.endpoint_url, f"{live_server.url}/ws/")
    run("import_legacy_gateways")

    ended = run("sync_routes", "chat", *argv)

    assert ended.status == 0
    assert SECRET not in ended.stdout + ended.stderr
