"""What the command pages show is what the commands print."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.utils import timezone

from tests.commands.changes import add_route
from tests.docs.pages import Block, blocks_of
from tests.docs.transcripts import play
from tests.factories import (
    ApiGatewayAdditionalRouteFactory,
    ApiGatewayFactory,
    UserFactory,
    WebSocketSessionFactory,
    WebSocketTokenFactory,
)
from tests.legacy import schema
from tests.sink import running_sink
from tests.support.commands import run
from tests.support.moto import running_moto
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.django_sessions import keep_session_key
from websocket_gateway.models import ApiGateway, ConnectionRateLimit, WebSocketSession, WebSocketToken
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db(transaction=True)
TARGET = ("--target", "https://www.example.com/ws/")


@pytest.fixture
def aws(django_local_gateway: GatewayHandle) -> Any:
    return boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)


def console(page: str, beginning: str) -> Block:
    """The transcript of a page in which this is typed."""
    (block,) = (item for item in blocks_of(page, "console") if beginning in item.text)
    return block


@pytest.mark.usefixtures("aws")
def test_create_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    play(console("create_gateway.md", "--target https://www.example.com/ws/ --dry-run"), monkeypatch)

    run("create_gateway", "chat", *TARGET)
    play(
        console("create_gateway.md", "$ python manage.py create_gateway\n"),
        monkeypatch,
        free=("wss://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/production",),
    )


def test_create_gateway_adopts(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    api_id = aws.create_api(
        Name="handmade", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.kind"
    )["ApiId"]
    for key, name in (("$connect", "connect"), ("orders", "orders")):
        add_route(aws, api_id, key, f"https://www.example.com/sockets/{name}")
    aws.create_stage(ApiId=api_id, StageName="live")
    block = console("create_gateway.md", "--adopt jvyqqniw8z")
    mine = Block(block.page, block.line, block.language, block.text.replace("jvyqqniw8z", api_id))

    play(
        mine,
        monkeypatch,
        free=(
            "34bae2ad3bfa2d25",
            "c3e9fe11-5d45-4529-924d-3c5b2f30e997",
            f"wss://{api_id}.execute-api.eu-central-1.amazonaws.com",
        ),
    )


def test_sync_routes(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run("create_gateway", "chat", *TARGET)
    chat = ApiGateway.objects.get()
    items = aws.get_integrations(ApiId=chat.api_id)["Items"]
    default = next(item for item in items if item["IntegrationUri"].endswith("/default"))
    aws.update_integration(
        ApiId=chat.api_id,
        IntegrationId=default["IntegrationId"],
        TimeoutInMillis=5000,
        RequestParameters=default["RequestParameters"]
        | {"integration.request.header.wsOriginSecret": "'guess'"},
    )
    aws.update_stage(ApiId=chat.api_id, StageName="production", AutoDeploy=True)
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=chat,
        name="Moves",
        route_key="move",
        integration_url="https://www.example.com/moves",
        two_way=False,
    )
    add_route(aws, chat.api_id, "orders", "https://www.example.com/orders")

    play(console("sync_routes.md", "sync_routes --check"), monkeypatch, free=("q2l98cg",))


def test_delete_gateway_with_its_domain(
    django_local_gateway: GatewayHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = ("Z0123456789ABC", "5u11w8w6wr")
    with running_moto() as moto:
        for service in ("ACM", "ROUTE_53", "STS"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto.url)
        forget_clients()
        moto.import_certificate("*.example.com")
        zone = moto.create_zone("example.com")
        block = console("custom_domains.md", "--domain ws.example.com")
        mine = Block(block.page, block.line, block.language, block.text.replace("Z0123456789ABC", zone))

        play(mine, monkeypatch, free=free)
        play(console("delete_gateway.md", "delete_gateway chat --dry-run"), monkeypatch, free=free)
        play(console("delete_gateway.md", "delete_gateway chat --no-input"), monkeypatch, free=free)
    forget_clients()


@pytest.fixture
def lobby() -> Iterator[None]:
    """Three in the lobby; one elsewhere who is gone; one on a gateway that does not exist yet."""
    with running_sink() as sink:
        gateway = sink.gateway()
        for number in range(3):
            WebSocketSessionFactory.create(api_gateway=gateway, connection_id=f"c{number}=")
        yield


@pytest.mark.usefixtures("lobby")
def test_broadcast_to_a_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    block = console("broadcast.md", "Maintenance at noon")
    everyone = block.text.index("$ python manage.py broadcast --all")
    as_json = block.text.index('$ python manage.py broadcast lobby \'{"text": "hello"}\' --format json')
    text = block.text[:everyone] + block.text[as_json:]

    play(Block(block.page, block.line, block.language, text), monkeypatch)


def test_broadcast_to_everyone(monkeypatch: pytest.MonkeyPatch) -> None:
    block = console("broadcast.md", "Maintenance at noon")
    start = block.text.index("$ python manage.py broadcast --all")
    text = block.text[start : block.text.index("\n\n", start) + 1]
    with running_sink() as sink:
        gateway = sink.gateway()
        old = timezone.now() - timedelta(hours=1)
        for name in ("one=", "two=", "gone="):
            WebSocketSessionFactory.create(api_gateway=gateway, connection_id=name, created_on=old)
        planned = ApiGatewayFactory.create(api_name="not yet", planned=True)
        WebSocketSessionFactory.create(api_gateway=planned, connection_id="planned=")
        sink.answers = {"gone=": 410}

        play(Block(block.page, block.line, block.language, text), monkeypatch)


def test_broadcast_again_to_those_it_failed_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    block = console("broadcast.md", "--failures-to")
    first, again = block.text.split("$ python manage.py broadcast --only-from")
    with running_sink() as sink:
        gateway = sink.gateway()
        WebSocketSession.objects.bulk_create(
            WebSocketSessionFactory.build(api_gateway=gateway, user=None, connection_id=f"c{number}=")
            for number in range(1_200)
        )
        sink.answers = {"c5=": 403, "c7=": 403}
        play(Block(block.page, block.line, "console", first), monkeypatch)
        sink.answers = {}
        again = f"$ python manage.py broadcast --only-from{again}"

        play(Block(block.page, block.line, "console", again), monkeypatch)


def test_purge_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    long_ago = timezone.now() - timedelta(days=9)
    for _number in range(3):
        WebSocketSessionFactory.create(stale=True)
    WebSocketSessionFactory.create(user=UserFactory.create(inactive=True))
    for row in WebSocketSessionFactory.create_batch(2):
        keep_session_key(row, "a-session-that-was-deleted")
        row.save()
    gateway = ApiGatewayFactory.create()
    WebSocketSession.objects.bulk_create(
        WebSocketSessionFactory.build(api_gateway=gateway, user=None, ended=True, disconnected_on=long_ago)
        for _number in range(412)
    )
    user = UserFactory.create()
    WebSocketToken.objects.bulk_create(
        WebSocketTokenFactory.build(user=user, used=True) for _number in range(18)
    )
    ConnectionRateLimit.objects.bulk_create(
        ConnectionRateLimit(key=f"k{number}", window_start=long_ago, attempts=1) for number in range(7)
    )

    play(console("purge_connections.md", "purge_connections --dry-run"), monkeypatch)


def test_import_legacy_gateways(monkeypatch: pytest.MonkeyPatch) -> None:
    with schema.legacy_tables(*schema.TABLES):
        old = schema.add_gateway(api_name="chat", api_id="a1b2c3d4e5")
        schema.add_route(old, "notify", name="Notifications")
        schema.add_rule("desk", "permissions", ("view_user", "add_user"), ("view_user", "view_group"))
        schema.add_rule("office", "staff_only")
        for number in range(3):
            schema.add_session(old, f"K{number}=", channel_name="lobby")
        schema.add_session(None, "Lost=", channel_name="lobby")

        play(console("import_legacy_gateways.md", "import_legacy_gateways"), monkeypatch)
