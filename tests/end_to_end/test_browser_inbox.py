"""The inbox of a user in two browsers: 50 notifications, and one device killed before it acknowledges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.browsing import World
from tests.end_to_end.chromium import in_chromium
from websocket_gateway.channels import inbox
from websocket_gateway.models import ChannelCursor
from websocket_gateway.sending import broadcast

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.pages"),
    pytest.mark.usefixtures("database_beside_playwright"),
]

LISTEN = """(held) => {
  window.shown = [];
  window.numbers = [];
  client.inbox.on("message", ({ n }) => {
    shown.push(n);
    return n > held ? new Promise(() => {}) : undefined;
  });
  client.inbox.on("unread", (number) => numbers.push(number));
}"""


@pytest.fixture
def world(world: World, settings: Any) -> World:
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "CHANNELS": {"user_*": {"HISTORY_MESSAGES": 200, "HISTORY_SECONDS": 3600, "ACKS": True}},
    }
    return world


def device(world: World, context: Any, *, held: int = 1_000, **options: Any) -> Page:
    """A page of the user that shows the inbox; messages above `held` are never done with."""
    page = world.open(context, ackMs=200, gapMs=200, heartbeatMs=2_000, **options)
    page.evaluate(LISTEN, held)
    return page


def wait_for_unread(page: Page, number: int) -> None:
    page.wait_for_function("(number) => client.inbox.unread === number && numbers.length", arg=number)


def test_nothing_is_lost_and_doubles_are_only_what_was_not_acknowledged(world: World) -> None:
    user = world.user
    for number in range(1, 51):
        broadcast({"type": "note", "n": number}, user=user, inbox=True)
    phone_context = world.context()
    phone = device(world, phone_context, held=20)
    wait_for_unread(phone, 30)  # 20 are acknowledged, the others shown
    assert phone.evaluate("shown") == list(range(1, 51))
    assert inbox.unread(user) == 30
    phone_context.close()  # killed between display and acknowledgement

    desk = device(world, world.context())
    wait_for_unread(desk, 0)
    assert desk.evaluate("shown") == list(range(21, 51))
    assert inbox.unread(user) == 0

    later = device(world, world.context())
    wait_for_unread(later, 0)
    assert later.evaluate("shown") == []


def test_an_acknowledgement_on_one_device_changes_the_badge_of_the_other(world: World) -> None:
    desk, phone = device(world, world.context(), held=0), device(world, world.context(), held=0)
    wait_for_unread(phone, 0)
    wait_for_unread(desk, 0)
    for number in (1, 2, 3):
        broadcast({"type": "note", "n": number}, user=world.user, inbox=True)
    wait_for_unread(phone, 3)
    wait_for_unread(desk, 3)

    desk.evaluate("client.inbox.ack(2)")

    wait_for_unread(phone, 1)
    wait_for_unread(desk, 1)
    assert inbox.acknowledge(world.user)  # "mark all as read", by another page of the site
    wait_for_unread(phone, 0)
    wait_for_unread(desk, 0)
    assert phone.evaluate("shown") == desk.evaluate("shown") == [1, 2, 3]


def test_cuts_and_lost_posts_cost_no_notification_and_the_badges_end_right(world: World) -> None:
    pages = [device(world, world.context(), backoffMs=50, backoffMaxMs=200) for _ in range(2)]
    for page in pages:
        wait_for_unread(page, 0)
    faults = world.gateway.faults
    faults.seed, faults.drop_posts, faults.double_posts, faults.skip_disconnects = 1, 0.1, 0.1, 0.5
    for number in range(1, 51):
        broadcast({"type": "note", "n": number}, user=world.user, inbox=True)
        if number % 10 == 0:
            world.gateway.cut()
    for page in pages:
        page.wait_for_function("shown.length === 50 && client.inbox.unread === 0")
        assert page.evaluate("shown") == list(range(1, 51))
    assert inbox.unread(world.user) == 0
    assert ChannelCursor.objects.get().acked_offset == 50


def test_tabs_of_one_browser_share_a_connection_and_the_badge(world: World) -> None:
    context = world.context()
    tabs = [device(world, context, share=True) for _ in range(2)]
    for number in (1, 2):
        broadcast({"type": "note", "n": number}, user=world.user, inbox=True)
    for page in tabs:
        page.wait_for_function("shown.length === 2 && client.inbox.unread === 0")
    assert len(world.gateway.connections()) == 1
    assert inbox.unread(world.user) == 0
