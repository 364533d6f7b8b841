"""Who is in a channel, as a real Chromium shows it: three users in five tabs, and the faults of sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from tests.end_to_end.browsing import World
from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.present import SHOW, shows
from websocket_gateway.channels import presence
from websocket_gateway.models import Channel, ChannelMember, WebSocketSession
from websocket_gateway.sending import broadcast

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.present"),
    pytest.mark.usefixtures("database_beside_playwright"),
]

GRACE_MS = 3_000
OPTIONS = {"gapMs": 300, "presenceGraceMs": GRACE_MS, "backoffMs": 50, "backoffMaxMs": 200, "stableMs": 100}


@pytest.fixture
def world(world: World, settings: Any) -> World:
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "CHANNELS": {"room": {"PRESENCE": True}},
        "MAX_MESSAGES_PER_MINUTE": 0,
        "CONNECT_GRACE_SECONDS": 1,
    }
    return world


class Tabs:
    """The tabs that are open, and what each of them shows."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.open_now: list[Page] = []
        self.logins: list[Client] = []

    def browser(self, name: str) -> BrowserContext:
        """A browser of its own, in which that user is logged in."""
        user = User.objects.get_or_create(username=name)[0]
        login = Client()
        login.force_login(user)
        self.logins.append(login)
        context = self.world.browser.new_context(bypass_csp=True)
        value = login.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": value, "url": self.world.site.url}])
        return context

    def open(self, context: BrowserContext, **options: Any) -> Page:
        page = self.world.open(context, **{**OPTIONS, **options})
        page.evaluate(SHOW)
        self.open_now.append(page)
        return page

    def all_show(self, names: str) -> None:
        """Every tab shows exactly these, in the end."""
        for page in self.open_now:
            page.wait_for_function(shows(names))

    @contextmanager
    def showing_only(self, *lists: str) -> Iterator[None]:
        """Whatever happens in the block, no tab that is open at its end has shown another list."""
        before = [page.evaluate("shown.length") for page in self.open_now]
        kept = dict(zip(map(id, self.open_now), before, strict=True))
        yield
        for page in self.open_now:
            assert set(page.evaluate("shown")[kept.get(id(page), 0) :]) <= set(lists)


def age(seconds: int, **which: Any) -> None:
    """Let connections have been silent for so long, and the last look after the channel be due again."""
    WebSocketSession.objects.filter(**which).update(last_seen_on=timezone.now() - timedelta(seconds=seconds))
    Channel.objects.update(swept_on=timezone.now() - timedelta(seconds=61))


def beat(page: Page) -> None:
    """A sign of life, as the client gives one every four minutes."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def connections_of(name: str) -> set[str]:
    found = WebSocketSession.objects.filter(user__username=name, connected=True)
    return set(found.values_list("connection_id", flat=True))


@pytest.fixture
def tabs(world: World) -> Tabs:
    return Tabs(world)


def three_users_in_five_tabs(tabs: Tabs) -> tuple[list[BrowserContext], list[Page]]:
    """Ada with two browsers, bob with two tabs of one, and cy."""
    ada, ada_too, bob, cy = (tabs.browser(name) for name in ("ada", "ada", "bob", "cy"))
    opened = [tabs.open(context) for context in (ada, ada_too)]
    tabs.all_show("ada")
    opened += [tabs.open(bob), tabs.open(bob)]
    tabs.all_show("ada bob")
    with tabs.showing_only("ada bob", "ada bob cy"):
        opened.append(tabs.open(cy))
        tabs.all_show("ada bob cy")
    return [ada, ada_too, bob, cy], opened


def test_every_page_shows_exactly_who_is_there(world: World, tabs: Tabs) -> None:
    _, (ada, ada_too, bob, bob_too, cy) = three_users_in_five_tabs(tabs)

    # A cut of all, by the network and by the service: each comes back before anyone is missed.
    for cut in (world.gateway.cut, world.cut_every_socket):
        with tabs.showing_only("ada bob cy"):
            gone = {found.id for found in world.gateway.connections()}
            cut()
            world.gateway.wait_until(partial(_renewed, world, gone, 5), timeout=30)
            tabs.all_show("ada bob cy")

    # One of two tabs is closed: nothing has changed. The second one: the others see it after the grace.
    with tabs.showing_only("ada bob cy"):
        close(tabs, bob_too)
        world.gateway.wait_until(lambda: len(connections_of("bob")) == 1, timeout=30)
        ada.wait_for_timeout(GRACE_MS + 500)
    with tabs.showing_only("ada bob cy", "ada cy"):
        close(tabs, bob)
        tabs.all_show("ada cy")

    # A page that is loaded again is never missed.
    with tabs.showing_only("ada cy"):
        cy.reload()
        cy.evaluate(SHOW)
        tabs.all_show("ada cy")
        ada.wait_for_timeout(GRACE_MS + 500)

    # Logout of one browser of two, then of the other.
    with tabs.showing_only("ada cy"):
        log_out(tabs, 0, ada)
        cy.wait_for_timeout(GRACE_MS + 500)
        tabs.all_show("ada cy")
    log_out(tabs, 1, ada_too)
    with tabs.showing_only("ada cy", "cy"):
        tabs.all_show("cy")
    assert [member.info for member in presence.members("room")] == [{"name": "cy"}]


def _renewed(world: World, gone: set[str], number: int) -> bool:
    now = {found.id for found in world.gateway.connections()}
    return len(now) == number and not now & gone


def log_out(tabs: Tabs, number: int, page: Page) -> None:
    """End the login of a browser, whose client asks for no token before that is done."""
    page.route("**/token/", lambda route: route.abort())
    tabs.logins[number].logout()
    page.unroute("**/token/")
    page.get_by_text("closed: unauthorized").wait_for()
    tabs.open_now.remove(page)


def close(tabs: Tabs, page: Page) -> None:
    tabs.open_now.remove(page)
    page.close()


def test_user_who_cannot_come_back_goes_and_comes(world: World, tabs: Tabs) -> None:
    (_, _, bob, _), (ada, _, bob_tab, _, _) = three_users_in_five_tabs(tabs)

    with tabs.showing_only("ada bob cy", "ada cy"):
        bob.route("**/token/", lambda route: route.abort())
        world.gateway.cut(connections_of("bob"))
        others = [page for page in tabs.open_now if page.context != bob]
        for page in others:
            page.wait_for_function(shows("ada cy"))
        assert bob_tab.evaluate("shown.at(-1)") == "ada bob cy"  # it knows nothing newer
        bob.unroute("**/token/")
        tabs.all_show("ada bob cy")
        ada.wait_for_timeout(GRACE_MS + 500)
        tabs.all_show("ada bob cy")


@pytest.mark.parametrize("noticed_by", ["push", "sweep"])
def test_crashed_tab_goes_without_a_disconnect(world: World, tabs: Tabs, noticed_by: str) -> None:
    _, (ada, _, _, _, cy) = three_users_in_five_tabs(tabs)
    world.gateway.faults.skip_disconnects = 1.0
    [lost] = connections_of("cy")

    with tabs.showing_only("ada bob cy", "ada bob"):
        close(tabs, cy)
        world.gateway.wait_until(lambda: lost not in {found.id for found in world.gateway.connections()})
        assert presence.count("room") == 3  # nothing has told anybody
        if noticed_by == "push":
            WebSocketSession.objects.filter(connection_id=lost).update(
                created_on=timezone.now() - timedelta(seconds=20)
            )
            assert broadcast({"type": "hello"}, channel="room").gone == 1
        else:
            age(541, connection_id=lost)
            age(61, user__username="ada")
            beat(ada)
        tabs.all_show("ada bob")

    assert presence.count("room") == 2


def test_rotation_is_not_seen(world: World, tabs: Tabs) -> None:
    ada, bob = tabs.browser("ada"), tabs.browser("bob")
    for context in (ada, bob):
        tabs.open(context, rotateMs=1_500, handoverMs=300)
    tabs.all_show("ada bob")
    generations = list(ChannelMember.objects.order_by("pk").values_list("member", "generation", "since"))
    seen: set[str] = set()

    with tabs.showing_only("ada bob"):
        while len(seen) < 6:
            seen |= {found.id for found in world.gateway.connections()}
            tabs.open_now[0].wait_for_timeout(50)
    now = ChannelMember.objects.order_by("pk")
    assert [since for _, _, since in generations] == [member.since for member in now]


def test_lost_doubled_and_late_posts_leave_the_right_list(world: World, tabs: Tabs) -> None:
    _, pages = three_users_in_five_tabs(tabs)
    faults = world.gateway.faults
    faults.seed = 1
    faults.drop_posts = faults.double_posts = faults.reorder_posts = faults.defer_posts = 0.2

    for name in ("dee", "eve", "fay"):
        page = tabs.open(tabs.browser(name))
        page.wait_for_timeout(200)
    close(tabs, pages[-1])
    faults.clear()
    tabs.open(tabs.browser("gus"))  # the number of the next change says what is missing

    tabs.all_show("ada bob dee eve fay gus")


def test_page_begins_with_whom_it_was_rendered_with(world: World, tabs: Tabs) -> None:
    _, (*_, bob, bob_too, cy) = three_users_in_five_tabs(tabs)
    dee = tabs.browser("dee")
    dee.route("**/token/", lambda route: route.abort())  # rendered, and not connected yet
    page = dee.new_page()
    page.goto(world.page_url("/rendered/", **OPTIONS))
    page.evaluate(SHOW)
    page.wait_for_function(shows("ada bob cy"))

    close(tabs, cy)
    cy_went = ChannelMember.objects.filter(channel_name="room", member=f"u:{_key('cy')}", present=False)
    world.gateway.wait_until(cy_went.exists, timeout=30)
    tabs.open(tabs.browser("eve"))
    dee.unroute("**/token/")
    tabs.open_now.append(page)
    tabs.all_show("ada bob dee eve")

    # Each change once: cy's page might be loaded again, so cy is shown until the grace is over.
    shown = page.evaluate("shown")
    assert shown == sorted(set(shown), key=shown.index)
    assert shown[0] == "ada bob cy"
    assert set(shown) <= {
        "ada bob cy",
        "ada bob cy eve",
        "ada bob cy dee eve",
        "ada bob eve",
        "ada bob dee eve",
    }
    assert bob.evaluate("shown.at(-1)") == bob_too.evaluate("shown.at(-1)")


def test_page_that_is_loaded_again_never_misses_itself(world: World, tabs: Tabs) -> None:
    ada, bob = tabs.browser("ada"), tabs.browser("bob")
    page = tabs.open(ada, path="/rendered/")
    tabs.open(bob)
    tabs.all_show("ada bob")

    for _ in range(3):
        page.reload()
        page.evaluate(SHOW)
        page.get_by_text("open", exact=True).wait_for()
        page.wait_for_function("shown.length")
        page.wait_for_timeout(GRACE_MS + 500)
        assert page.evaluate("shown") == ["ada bob"]


def _key(name: str) -> int:
    return User.objects.get(username=name).pk
