"""The picture of a plan in the README is what the command prints. `make pictures` draws it again."""

from __future__ import annotations

import os
from pathlib import Path

import boto3
import pytest

from tests.commands.changes import change_default
from tests.factories import ApiGatewayAdditionalRouteFactory
from tests.support.commands import run
from tests.support.terminal import draw
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db
PICTURE = Path(__file__).resolve().parents[2] / "management_docs" / "images" / "plan.svg"
TITLE = "A plan of sync_routes: what differs in AWS, why, and what it would do"


def test_the_picture_of_a_plan_is_what_the_command_prints(django_local_gateway: GatewayHandle) -> None:
    drawn = draw(_session(django_local_gateway.endpoint_url), title=TITLE)

    if os.environ.get("WEBSOCKET_GATEWAY_TEST_DRAW") == "1":
        PICTURE.write_text(drawn)
    assert PICTURE.read_text() == drawn, "make pictures"


def _session(endpoint_url: str) -> list[str]:
    """A gateway that somebody changed by hand, and whose next release serves one route more."""
    run("create_gateway", "chat", "--target", "https://www.example.com/ws/")
    chat = ApiGateway.objects.get()
    aws = boto3.client("apigatewayv2", endpoint_url=endpoint_url)
    change_default(aws, chat.api_id, TimeoutInMillis=5000)
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=chat, name="Moves", route_key="move", integration_url="https://www.example.com/moves"
    )
    lines = []
    for words in ("sync_routes chat --dry-run", *2 * ("sync_routes chat",)):
        lines += [f"$ manage.py {words}", *run(*words.split()).stdout.splitlines()]
    return lines
