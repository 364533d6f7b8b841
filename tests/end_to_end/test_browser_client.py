"""The client in a real Chromium, over the local gateway, with limits that are scaled down."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection

from tests.end_to_end.browsing import PATIENCE_MS, World, wait_for_state
from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.pages import CountingView
from websocket_gateway.local.options import Quirks
from websocket_gateway.models import ApiGateway, HandledMessage, WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.testing.gateway import local_gateway

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.pages"),
    pytest.mark.usefixtures("database_beside_playwright"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="drives the browser, not the database"),
]


def numbers_kept() -> list[int]:
    return sorted(int(name.split()[0]) for name in Group.objects.values_list("name", flat=True))


def test_of_fifty_cuts_none_loses_a_message_and_none_doubles_one(world: World) -> None:
    page = world.open(world.context(), backoffMs=10, backoffMaxMs=50)
    # Four at a time, each its next one as soon as it has its answer.
    page.evaluate(
        """() => {
          window.replies = [];
          window.enough = false;
          const keep = async () => {
            while (!enough) {
              const n = replies.push(undefined) - 1;
              replies[n] = await client.request("keep", { n }, { timeout: Infinity });
            }
          };
          window.done = Promise.all([keep(), keep(), keep(), keep()]);
        }"""
    )

    cuts = 0
    deadline = time.monotonic() + 120
    while cuts < 50 and time.monotonic() < deadline:
        cuts += world.cut_every_socket()
        time.sleep(0.05)
    kept = page.evaluate("enough = true, done.then(() => replies)")

    assert cuts >= 50
    assert numbers_kept() == list(range(len(kept)))
    assert HandledMessage.objects.count() == len(kept)
    # The reply of one that was handled already is lost; all others name what they kept.
    assert all(reply is None or reply == {"kept": n} for n, reply in enumerate(kept))


@pytest.mark.parametrize("gateway_options", [{"max_duration": 10.0}])
def test_the_next_connection_takes_over_before_the_cut_and_no_frame_is_missed_or_doubled(
    world: World,
) -> None:
    page = world.open(world.context(), rotateMs=3_000, handoverMs=500)
    ids = {found.id for found in world.gateway.connections()}

    sent = 0
    while len(ids) < 4:
        broadcast({"type": "tick", "n": sent}, channel="lobby")
        sent += 1
        ids |= {found.id for found in world.gateway.connections()}
        assert sent < 2_000
        time.sleep(0.02)
    page.wait_for_function("sent => frames_.length >= sent", arg=sent)

    assert page.evaluate("frames_.map(({ n }) => n)") == list(range(sent))
    assert page.evaluate("states") == ["open"]


def test_it_survives_a_restart_of_the_site_and_one_of_the_gateway(world: World) -> None:
    page = world.open(world.context())

    world.site.stop()
    page.evaluate("() => { window.reply = client.request('keep', { n: 0 }, { timeout: Infinity }); }")
    time.sleep(0.5)
    world.site.start()
    assert page.evaluate("reply") in ({"kept": 0}, None)

    world.gateway.gateway.stop()
    page.wait_for_function("states.at(-1) !== 'open'")
    page.evaluate("() => { window.reply = client.request('keep', { n: 1 }, { timeout: Infinity }); }")
    with local_gateway(port=world.gateway.port, state=world.gateway.gateway.options.state):
        assert page.evaluate("reply") == {"kept": 1}
        wait_for_state(page, "open")
    assert numbers_kept() == [0, 1]


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


def test_two_tabs_share_a_socket_and_the_other_goes_on_when_the_leader_closes(world: World) -> None:
    context = world.context()
    leader, other = world.open(context, share=True), world.open(context, share=True)
    other.evaluate("client.subscribe('news')")
    assert len(world.gateway.connections()) == 1

    broadcast({"type": "tick", "n": 1}, channel="news")
    for page in (leader, other):
        page.wait_for_function("frames_.length === 1")
    assert other.evaluate("client.request('keep', { n: 1 })") == {"kept": 1}

    [before] = world.gateway.connections()
    leader.close()
    assert other.evaluate("client.request('keep', { n: 2 }, { timeout: Infinity })") == {"kept": 2}
    other.evaluate("client.subscribe('news')")
    broadcast({"type": "tick", "n": 2}, channel="news")
    other.wait_for_function("frames_.at(-1).n === 2")
    world.gateway.wait_until(
        lambda: before.id not in {found.id for found in world.gateway.connections()},
        timeout=PATIENCE_MS / 1000,
    )


@pytest.mark.parametrize(
    "gateway_options",
    [{}, {"quirks": Quirks(two_way_error="error")}],
    ids=["told what failed", "told that something failed"],
)
@pytest.mark.parametrize(
    "trouble", [OperationalError("database is locked"), LookupError("deploying")], ids=str
)
def test_a_channel_that_fails_after_a_cut_is_joined_again_and_gets_its_frames(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    page = world.open(world.context())
    page.evaluate("client.subscribe('news')")

    troubles = [trouble] * 3
    monkeypatch.setattr(CountingView, "troubles", troubles)
    world.cut_every_socket()
    in_news = WebSocketSession.objects.in_channel("news").filter(connected=True)
    world.gateway.wait_until(lambda: not troubles and in_news.exists(), timeout=PATIENCE_MS / 1000)
    broadcast({"type": "tick", "n": 1}, channel="news")
    page.wait_for_function("frames_.length === 1")

    assert page.evaluate("frames_") == [{"type": "tick", "n": 1}]
    assert page.evaluate("states.at(-1)") == "open"
    assert page.evaluate("client.subscribe('news').then(() => 'joined')") == "joined"


def test_who_is_logged_out_is_told_so_and_nothing_is_tried_again(world: World) -> None:
    context = world.context()
    page = world.open(context)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/token/" in request.url else None)

    context.clear_cookies(name="sessionid")
    world.cut_every_socket()
    wait_for_state(page, "closed: unauthorized")
    time.sleep(1.5)  # twice the longest pause

    assert len(asked) == 1


def test_handshakes_that_are_refused_are_said_to_be_and_tried_again_at_a_slow_pace(
    world: World, settings: Any
) -> None:
    page = world.open(world.context(), maxRefusals=4, slowMs=1_000)
    works = settings.WEBSOCKET_GATEWAY
    settings.WEBSOCKET_GATEWAY = {**works, "ALLOWED_ORIGINS": ["https://elsewhere.example"]}
    world.cut_every_socket()

    wait_for_state(page, "reconnecting: refused")
    time.sleep(2)
    settings.WEBSOCKET_GATEWAY = works
    wait_for_state(page, "open")
    assert page.evaluate("states").count("reconnecting: refused") == 1


@pytest.mark.parametrize("path", ["/", "/strict/"])
def test_a_strict_policy_has_nothing_to_complain_about(world: World, path: str) -> None:
    context = world.context(strict=True)
    said: list[str] = []
    context.on("console", lambda message: said.append(message.text))

    page = world.open(context, path=path)
    assert page.evaluate("client.request('keep', { n: 1 })") == {"kept": 1}

    assert said == []


def test_the_token_is_in_no_address_when_it_travels_as_a_subprotocol(world: World) -> None:
    context = world.context()
    addresses: list[str] = []
    page = context.new_page()
    page.on("websocket", lambda socket: addresses.append(socket.url))
    page.goto(f"{world.site.url}/?options={quote(json.dumps({'tokenBy': 'subprotocol'}))}")
    wait_for_state(page, "open")

    assert len(addresses) == 1
    assert "token" not in addresses[0]


def test_a_frame_over_the_limit_leaves_the_socket_open(world: World) -> None:
    page = world.open(world.context())

    code = page.evaluate(
        "client.request('keep', { n: 1, text: 'x'.repeat(33000) }).catch(({ code }) => code)"
    )

    assert code == "too_large"
    assert page.evaluate("client.request('keep', { n: 2, text: 'x'.repeat(32000) })") == {"kept": 2}
    assert page.evaluate("states") == ["open"]
