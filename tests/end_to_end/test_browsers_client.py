"""The client in three browsers, over the local gateway: what is sent, asked, cut, rotated and shared."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection

from tests.end_to_end.browsing import PATIENCE_MS, DrivenWorld, expect_state
from tests.end_to_end.chromium import in_browsers
from tests.end_to_end.drivers.interface import Tab
from tests.end_to_end.pages import CountingView, ToldTokenView
from websocket_gateway.local.options import Quirks
from websocket_gateway.models import HandledMessage, WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.testing.gateway import local_gateway

pytestmark = [
    *in_browsers,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.pages"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="drives the browser, not the database"),
]


def numbers_kept() -> list[int]:
    return sorted(int(name.split()[0]) for name in Group.objects.values_list("name", flat=True))


def ask(tab: Tab, n: int) -> None:
    """Of a client that may have to wait for its connection; the page keeps the promise."""
    tab.evaluate(f"void (window.reply = client.request('keep', {{ n: {n} }}, {{ timeout: Infinity }}))")


def test_it_connects_sends_asks_and_is_answered_and_hears(driven: DrivenWorld) -> None:
    tab = driven.open(driven.profile())

    assert tab.evaluate("client.request('keep', { n: 1 })") == {"kept": 1}
    tab.evaluate("client.send('keep', { n: 2 })")
    tab.wait_for("frames_.length === 1")  # it is kept before its answer is under way
    assert numbers_kept() == [1, 2]
    broadcast({"type": "tick", "text": "é😀"}, user=driven.user)
    tab.wait_for("frames_.length === 2")

    # What a handler returns to `send` is a frame like any other.
    assert tab.evaluate("frames_") == [{"kept": 2}, {"type": "tick", "text": "é😀"}]
    assert tab.evaluate("states") == ["open"]


def test_of_fifty_cuts_none_loses_a_message_and_none_doubles_one(driven: DrivenWorld) -> None:
    tab = driven.open(driven.profile(), backoffMs=10, backoffMaxMs=50)
    # Four at a time, each its next one as soon as it has its answer.
    tab.evaluate(
        """(() => {
          window.replies = [];
          window.enough = false;
          const keep = async () => {
            while (!enough) {
              const n = replies.push(undefined) - 1;
              replies[n] = await client.request("keep", { n }, { timeout: Infinity });
            }
          };
          window.done = Promise.all([keep(), keep(), keep(), keep()]);
        })()"""
    )

    cuts = 0
    deadline = time.monotonic() + 120
    while cuts < 50 and time.monotonic() < deadline:
        cuts += driven.cut_every_socket()
        time.sleep(0.05)
    kept = tab.evaluate("(enough = true, done.then(() => replies))")

    assert cuts >= 50
    assert numbers_kept() == list(range(len(kept)))
    assert HandledMessage.objects.count() == len(kept)
    # The reply of one that was handled already is lost; all others name what they kept.
    assert all(reply is None or reply == {"kept": n} for n, reply in enumerate(kept))


@pytest.mark.parametrize("gateway_options", [{"max_duration": 10.0}], ids=[""])
def test_the_next_connection_takes_over_before_the_cut_and_no_frame_is_missed_or_doubled(
    driven: DrivenWorld,
) -> None:
    tab = driven.open(driven.profile(), rotateMs=3_000, handoverMs=500)
    ids = {found.id for found in driven.gateway.connections()}

    sent = 0
    while len(ids) < 4:
        broadcast({"type": "tick", "n": sent}, channel="lobby")
        sent += 1
        ids |= {found.id for found in driven.gateway.connections()}
        assert sent < 2_000
        time.sleep(0.02)
    tab.wait_for(f"frames_.length >= {sent}")

    assert tab.evaluate("frames_.map(({ n }) => n)") == list(range(sent))
    assert tab.evaluate("states") == ["open"]


def test_it_survives_a_restart_of_the_site_and_one_of_the_gateway(driven: DrivenWorld) -> None:
    tab = driven.open(driven.profile())

    driven.site.stop()
    ask(tab, 0)
    time.sleep(0.5)
    driven.site.start()
    assert tab.evaluate("reply") in ({"kept": 0}, None)

    driven.gateway.gateway.stop()
    tab.wait_for("states.at(-1) !== 'open'")
    ask(tab, 1)
    with local_gateway(port=driven.gateway.port, state=driven.gateway.gateway.options.state):
        assert tab.evaluate("reply") == {"kept": 1}
        expect_state(tab, "open")
    assert numbers_kept() == [0, 1]


def test_two_tabs_share_a_socket_and_the_other_goes_on_when_the_leader_closes(driven: DrivenWorld) -> None:
    profile = driven.profile()
    leader, other = driven.open(profile, share=True), driven.open(profile, share=True)
    other.evaluate("client.subscribe('news')")
    assert len(driven.gateway.connections()) == 1

    broadcast({"type": "tick", "n": 1}, channel="news")
    for tab in (leader, other):
        tab.wait_for("frames_.length === 1")
    assert other.evaluate("client.request('keep', { n: 1 })") == {"kept": 1}

    [before] = driven.gateway.connections()
    leader.close()
    assert other.evaluate("client.request('keep', { n: 2 }, { timeout: Infinity })") == {"kept": 2}
    other.evaluate("client.subscribe('news')")
    broadcast({"type": "tick", "n": 2}, channel="news")
    other.wait_for("frames_.at(-1).n === 2")
    driven.gateway.wait_until(
        lambda: before.id not in {found.id for found in driven.gateway.connections()},
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
    driven: DrivenWorld, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    tab = driven.open(driven.profile())
    tab.evaluate("client.subscribe('news')")

    troubles = [trouble] * 3
    monkeypatch.setattr(CountingView, "troubles", troubles)
    driven.cut_every_socket()
    in_news = WebSocketSession.objects.in_channel("news").filter(connected=True)
    driven.gateway.wait_until(lambda: not troubles and in_news.exists(), timeout=PATIENCE_MS / 1000)
    broadcast({"type": "tick", "n": 1}, channel="news")
    tab.wait_for("frames_.length === 1")

    assert tab.evaluate("frames_") == [{"type": "tick", "n": 1, "_ws": {"channel": "news"}}]
    assert tab.evaluate("states.at(-1)") == "open"
    assert tab.evaluate("client.subscribe('news').then(() => 'joined')") == "joined"


def test_who_is_logged_out_is_told_so_and_nothing_is_tried_again(
    driven: DrivenWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = driven.profile()
    tab = driven.open(profile)

    driven.log_in(profile, None)
    monkeypatch.setattr(ToldTokenView, "asked", 0)
    driven.cut_every_socket()
    expect_state(tab, "closed: unauthorized")
    time.sleep(1.5)  # three times the longest pause

    assert ToldTokenView.asked == 1


def test_handshakes_that_are_refused_are_said_to_be_and_tried_again_at_a_slow_pace(
    driven: DrivenWorld, settings: Any
) -> None:
    tab = driven.open(driven.profile(), maxRefusals=4, slowMs=1_000)
    works = settings.WEBSOCKET_GATEWAY
    settings.WEBSOCKET_GATEWAY = {**works, "ALLOWED_ORIGINS": ["https://elsewhere.example"]}
    driven.cut_every_socket()

    expect_state(tab, "reconnecting: refused")
    time.sleep(2)
    settings.WEBSOCKET_GATEWAY = works
    expect_state(tab, "open")
    assert tab.evaluate("states").count("reconnecting: refused") == 1


def test_a_frame_over_the_limit_leaves_the_socket_open(driven: DrivenWorld) -> None:
    tab = driven.open(driven.profile())

    code = tab.evaluate("client.request('keep', { n: 1, text: 'x'.repeat(33000) }).catch(({ code }) => code)")

    assert code == "too_large"
    assert tab.evaluate("client.request('keep', { n: 2, text: 'x'.repeat(32000) })") == {"kept": 2}
    assert tab.evaluate("states") == ["open"]
