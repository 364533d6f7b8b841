"""The client in a real Chromium, over the local gateway, with limits that are scaled down."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group
from django.db import connection

from tests.end_to_end.browsing import PATIENCE_MS, World, wait_for_state
from tests.end_to_end.chromium import in_chromium
from websocket_gateway.models import ApiGateway

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.pages"),
    pytest.mark.usefixtures("database_beside_playwright"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="drives the browser, not the database"),
]


def numbers_kept() -> list[int]:
    return sorted(int(name.split()[0]) for name in Group.objects.values_list("name", flat=True))


def test_it_waits_for_the_token_view_and_for_the_network(world: World) -> None:
    context = world.context()
    # A spelling that does not say that it is this machine, for which the network would not matter.
    row = ApiGateway.objects.get()
    url = f"{row.api_endpoint}/{row.stage_name}".replace("127.0.0.1", "0x7f000001")
    page = world.open(context, url=url)

    page.route("**/token/", lambda route: route.fulfill(status=502))
    world.cut_every_socket()
    wait_for_state(page, "reconnecting: unreachable")
    # Cut first: what is closed while Chromium plays offline may reach the page only afterwards.
    context.set_offline(True)
    wait_for_state(page, "reconnecting: offline")
    page.unroute("**/token/")
    page.evaluate("client.send('keep', { n: 7 })")
    context.set_offline(False)
    wait_for_state(page, "open")
    assert page.evaluate("client.request('keep', { n: 8 })") == {"kept": 8}
    world.gateway.wait_until(lambda: numbers_kept() == [7, 8], timeout=PATIENCE_MS / 1000)


@pytest.mark.parametrize("path", ["/", "/strict/"])
def test_a_strict_policy_has_nothing_to_complain_about(world: World, path: str) -> None:
    context = world.context(strict=True)
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text))

    page = world.open(context, path=path)
    assert page.evaluate("client.request('keep', { n: 1 })") == {"kept": 1}

    assert said == []


@pytest.mark.parametrize("by", ["option", "setting"])
def test_the_token_is_in_no_address_when_it_travels_as_a_subprotocol(
    by: str, world: World, settings: Any
) -> None:
    options = {"tokenBy": "subprotocol"} if by == "option" else {}
    if by == "setting":
        settings.WEBSOCKET_GATEWAY |= {"TOKEN_BY": "subprotocol"}
    context = world.context()
    addresses: list[str] = []
    page = context.new_page()
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.goto(f"{world.site.url}/?options={quote(json.dumps(options))}")
    wait_for_state(page, "open")
    assert page.evaluate("client.request('keep', { n: 1 })") == {"kept": 1}

    assert len(addresses) == 1
    assert "token" not in addresses[0]
