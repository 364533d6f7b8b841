"""Channels with a history in a real Chromium: posts get lost, doubled and reordered, sockets are cut.

`WEBSOCKET_GATEWAY_TEST_HISTORY=10` makes each trial ten times as long, as in `.ci/run`. Figures are printed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections

from tests.end_to_end.browsing import PATIENCE_MS, World
from tests.end_to_end.chromium import in_chromium
from tests.support.journal import write_ahead_log_fixture
from websocket_gateway.models import ChannelMessage
from websocket_gateway.sending import broadcast

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.pages"),
    pytest.mark.usefixtures("database_beside_playwright"),
]

__all__ = ["write_ahead_log_fixture"]

TIMES = int(os.environ.get("WEBSOCKET_GATEWAY_TEST_HISTORY", "1"))
if TIMES > 1:  # as the check advises for channels with a history; the small run has SQLite's default journal
    pytestmark.append(pytest.mark.usefixtures("write_ahead_log"))
MESSAGES, CUTS = 1_000 * TIMES, 10 if TIMES == 1 else 5 * TIMES
KEPT = {"orders_*": {"HISTORY_MESSAGES": 20_000}, "short": {"HISTORY_MESSAGES": 20}}
OPTIONS = {"gapMs": 200, "heartbeatMs": 3_000, "backoffMs": 50, "backoffMaxMs": 300, "resendMs": 2_000}
LISTEN = """(name) => {
  window.shown = [];
  window.losses = [];
  window.recoveries = 0;
  window.channel = client.channel(name);
  channel.on("message", (message, { offset, recovered }) => {
    shown.push([offset, message.n]);
    recoveries += recovered;
  });
  channel.on("lost", (loss) => losses.push(loss));
}"""


@pytest.fixture
def world(world: World, settings: Any) -> World:
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "CHANNELS": KEPT,
        "MAX_MESSAGES_PER_MINUTE": 0,
        "CONNECT_GRACE_SECONDS": 1,
    }
    return world


def listen(world: World, context: Any, name: str = "orders_eu", **options: Any) -> Page:
    """A page that has joined the channel and keeps what it is shown."""
    page = world.open(context, **{**OPTIONS, **options})
    page.evaluate(LISTEN, name)
    page.wait_for_function("channel.position !== null")
    return page


def inject(world: World) -> None:
    """What API Gateway may do to posts and events, far more often."""
    faults = world.gateway.faults
    faults.seed = 1
    faults.drop_posts, faults.double_posts = 0.01, 0.02
    faults.reorder_posts, faults.defer_posts, faults.defer_seconds = 0.03, 0.01, 0.3
    faults.skip_disconnects = 0.5


@contextmanager
def publishing(count: int, name: str = "orders_eu", pause: float = 0.0) -> Iterator[Callable[[], int]]:
    """Two publishers at the same time; yields how many messages there are so far. Waits for both."""
    done, failures = [0, 0], list[BaseException]()

    def publish(which: int) -> None:
        try:
            for n in range(which, count, 2):
                broadcast({"n": n}, channel=name)
                done[which] += 1
                time.sleep(pause)
        except BaseException as exc:  # noqa: BLE001 - raised in the test
            failures.append(exc)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=publish, args=(which,), daemon=True) for which in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: len(failures) * count + sum(done)
    finally:
        for thread in threads:
            thread.join(600)
    assert failures == []
    assert sum(done) == count


def shown_by(page: Page, top: int) -> list[list[int]]:
    """What the page has shown, as soon as that is everything."""
    page.wait_for_function("(top) => shown.at(-1)?.[0] >= top", arg=top, timeout=2 * PATIENCE_MS)
    shown: list[list[int]] = page.evaluate("shown")
    return shown


def assert_once_and_in_order(shown: list[list[int]], count: int) -> None:
    assert [offset for offset, _ in shown] == list(range(1, count + 1))
    assert sorted(n for _, n in shown) == list(range(count))
    for publisher in (0, 1):
        own = [n for _, n in shown if n % 2 == publisher]
        assert own == sorted(own)


def test_each_message_is_shown_once_and_in_order_over_cuts_and_lost_posts(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    page = listen(world, world.context())
    inject(world)
    cuts, began = 0, time.monotonic()

    with publishing(MESSAGES) as published:
        while (number := published()) < MESSAGES:
            if cuts < CUTS and number >= (cuts + 1) * MESSAGES // (CUTS + 1):
                # In turns like a broken network, and as the service does.
                cuts += world.gateway.cut() if cuts % 2 else world.cut_every_socket()
            page.wait_for_timeout(20)
    seconds = time.monotonic() - began
    shown = shown_by(page, MESSAGES)

    assert cuts >= CUTS - 1  # the last one may fall into a reconnect
    assert_once_and_in_order(shown, MESSAGES)
    assert page.evaluate("losses") == []
    recovered = page.evaluate("recoveries")
    assert recovered > MESSAGES // 100
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{connection.vendor}: {MESSAGES:,} messages in {seconds:.0f} s, {cuts} cuts, "
            f"{recovered:,} recovered, {len(world.gateway.requests):,} or more requests, 0 lost or doubled"
        )


def test_short_history_is_told_and_the_rest_comes_in_order(world: World) -> None:
    page = listen(world, world.context(), "short")
    inject(world)

    with publishing(60, "short") as published:
        while published() < 10:
            page.wait_for_timeout(10)
        page.route("**/token/", lambda route: route.abort())  # away for longer than the history
        world.gateway.cut()
    page.unroute("**/token/")
    broadcast({"n": 60}, channel="short")
    shown = [offset for offset, _ in shown_by(page, 61)]

    losses = page.evaluate("losses")
    told = {
        offset for loss in losses for offset in range(loss["from"]["offset"] + 1, loss["to"]["offset"] + 1)
    }
    assert losses[0]["reason"] == "expired"
    assert shown == sorted(set(shown))
    assert set(shown) | told == set(range(1, 62))
    assert not set(shown) & told


def test_rotation_shows_each_message_once(world: World) -> None:
    page = listen(world, world.context(), rotateMs=1_000, handoverMs=300)
    inject(world)
    ids: set[str] = set()

    with publishing(200 * TIMES, pause=0.02) as published:
        while published() < 200 * TIMES:
            ids |= {found.id for found in world.gateway.connections()}
            page.wait_for_timeout(20)

    assert_once_and_in_order(shown_by(page, 200 * TIMES), 200 * TIMES)
    assert len(ids) > 2
    assert page.evaluate("[losses, states]") == [[], ["open"]]


def test_tabs_of_a_shared_socket_show_each_message_once_whoever_leads(world: World) -> None:
    context = world.context()
    inject(world)
    tabs = [listen(world, context, share=True) for _ in range(3)]
    kills = 4 if TIMES == 1 else 2 * TIMES

    with publishing(kills * 60, pause=0.01) as published:
        for kill in range(kills):
            while published() < kill * 60 + 30:
                tabs[0].wait_for_timeout(10)
            leader = tabs.pop(0)  # the lock goes to the tab that has waited longest
            assert_consecutive(leader.evaluate("shown"))
            leader.close()
            tabs.append(listen(world, context, share=True))

    for tab in tabs:
        assert_consecutive(shown_by(tab, kills * 60))
        assert tab.evaluate("losses") == []
    assert len(world.gateway.connections()) == 1


def assert_consecutive(shown: list[list[int]]) -> None:
    offsets = [offset for offset, _ in shown]
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets))) if offsets else True


def test_order_that_is_cut_at_any_step_is_one_order_one_message_one_event(world: World) -> None:
    other = listen(world, world.context())
    [others] = [found.id for found in world.gateway.connections()]
    shop = listen(world, world.context())
    steps = [0, 5, 15, 30, 40, 50, 60, 70, 90, 120] * (1 if TIMES == 1 else 5)

    for n, step in enumerate(steps):
        shop.evaluate(f"void (window.reply = client.request('place', {{ n: {n} }}, {{ timeout: Infinity }}))")
        shop.wait_for_timeout(step)
        world.gateway.cut({found.id for found in world.gateway.connections()} - {others})
        answer = shop.evaluate("reply")
        assert answer is None or "id" in answer

    for page in (shop, other):
        expected = [[n + 1, n] for n in range(len(steps))]
        assert shown_by(page, len(steps)) == expected
    assert Group.objects.count() == ChannelMessage.objects.count() == len(steps)
    assert others in {found.id for found in world.gateway.connections()}
