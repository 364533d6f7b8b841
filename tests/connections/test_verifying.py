"""Whether connections are open is found out in one way, whatever asks: a broken gateway disturbs no other."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.admin.clients import act, client_with, text_of
from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from tests.sending.broadcasts import connect
from tests.sink import Sink
from websocket_gateway.connections import Verification, verify
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.purging import purge
from websocket_gateway.sending import broadcast

pytestmark = pytest.mark.django_db(transaction=True)

PACKAGE = Path(__file__).resolve().parents[2] / "websocket_gateway"


def verify_in_the_admin() -> str:
    return text_of(act(client_with(superuser=True), "verify", *WebSocketSession.objects.all()))


def verify_by_purging() -> str:
    return "\n".join(purge(verify=True).problems)


def send_to_them() -> str:
    return "\n".join(broadcast({}, channel="lobby").reasons)


@pytest.mark.parametrize("ask", [verify_in_the_admin, verify_by_purging, send_to_them])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param({"planned": True}, "does not exist in AWS yet", id="not in AWS"),
        pytest.param({"api_endpoint": "wss://[half"}, "stored as its address", id="not a URL"),
    ],
)
def test_a_broken_gateway_is_named_and_the_sockets_of_the_other_are_asked_about(
    sink: Sink, gateway: ApiGateway, ask: Callable[[], str], fault: dict[str, Any], reason: str
) -> None:
    connect(ApiGatewayFactory.create(**fault), "broken=")
    connect(gateway, "open=", "gone=")
    sink.answers["gone="] = 410

    said = ask()

    assert reason in said
    ended = WebSocketSession.objects.filter(connected=False)
    assert [session.connection_id for session in ended] == ["gone="]


def test_it_says_which_are_open_which_were_closed_and_which_are_too_young(
    sink: Sink, gateway: ApiGateway
) -> None:
    connect(gateway, "open=", "gone=")
    WebSocketSessionFactory.create(connection_id="young=", api_gateway=gateway, fresh=True)
    sink.answers = {"gone=": 410, "young=": 410}

    found = verify(WebSocketSession.objects.select_related("api_gateway"))

    assert found == Verification(open=1, closed=1, ended=1, too_young=1)
    assert found.answered == 3


def test_a_session_that_ended_meanwhile_is_closed_but_not_ended_again(
    sink: Sink, gateway: ApiGateway
) -> None:
    connect(gateway, "gone=")
    sink.answers["gone="] = 410
    chosen = list(WebSocketSession.objects.all())
    assert verify(chosen).ended == 1

    assert verify(chosen) == Verification(closed=1)


def test_loaded_gateways_are_not_read_again(sink: Sink, gateway: ApiGateway) -> None:
    connect(gateway, "a=", "b=")
    chosen = list(WebSocketSession.objects.select_related("api_gateway"))

    with CaptureQueriesContext(connection) as queries:
        assert verify(chosen).open == 2

    assert list(queries) == []


def test_one_module_asks_aws_about_connections() -> None:
    asks = re.compile(r"connections(?:\(\))?\.get\(")
    sources = [path for path in PACKAGE.rglob("*.py") if not {"local", "testing"} & set(path.parts)]

    found = [path.relative_to(PACKAGE) for path in sources if asks.search(path.read_text())]

    assert list(map(str, found)) == ["connections/verifying.py"]
