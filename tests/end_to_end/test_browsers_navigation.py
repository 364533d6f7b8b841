"""Pages that HTMX, Turbo and the browser itself navigate: one connection, and each frame once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.db import connection

from tests.end_to_end.browsing import PATIENCE_MS, DrivenWorld
from tests.end_to_end.chromium import in_browsers
from tests.end_to_end.navigated import install_libraries
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import broadcast

pytestmark = [
    *in_browsers,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.navigated"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="drives the browser, not the database"),
]
LIBRARIES = ["htmx2", "htmx4", "turbo"]
HTMX_AT_WORK = ".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added"


@pytest.fixture
def libraries(request: pytest.FixtureRequest) -> None:
    install_libraries(request.config.cache.mkdir("npm"))


class Visit:
    """A tab on the site that goes from page to page."""

    def __init__(self, world: DrivenWorld, library: str, name: str = "one") -> None:
        self.world = world
        self.profile = world.profile()
        self.tab = self.profile.open(f"{world.site.url}/{library}/{name}/")
        self.evaluate, self.wait_for = self.tab.evaluate, self.tab.wait_for
        self.evaluate("(window.sameDocument = true)")

    def click(self, name: str) -> None:
        self.tab.click(f"nav a[href$='/{name}/']")

    def visit(self, name: str) -> None:
        self.click(name)
        self.arrived(name)

    def arrived(self, name: str) -> None:
        """Its scripts have run, too: a page that is left sooner would leave what they begin to the next."""
        self.shows(name)
        if name not in ("plain", "quiet"):
            self.wait_for(f"ran === '{name}'")
        # Before that HTMX has not looked at the new page's links, and a click would load the next page.
        self.wait_for(f"!document.querySelector('{HTMX_AT_WORK}')")
        assert self.evaluate("window.sameDocument")

    def shows(self, name: str) -> None:
        self.wait_for(f"document.querySelector('h1').textContent === '{name}'")

    def is_open(self, count: int = 1) -> None:
        self.wait_for("window.client?.state === 'open'")
        self.world.gateway.wait_until(
            lambda: len(self.world.gateway.connections()) == count, timeout=PATIENCE_MS / 1000
        )

    def sockets(self) -> int:
        """How many it has opened so far."""
        return WebSocketSession.objects.count()

    def tick(self, n: int, channel: str = "lobby") -> None:
        broadcast({"type": "tick", "n": n}, channel=channel)


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("library", LIBRARIES)
def test_after_twelve_clicks_there_is_one_socket_and_a_frame_is_heard_once(
    driven: DrivenWorld, library: str
) -> None:
    tab = Visit(driven, library)
    tab.is_open()

    for name in ["two", "three", "one"] * 4:
        tab.visit(name)
    tab.visit("two")
    tab.tab.back()
    tab.arrived("one")
    tab.is_open()
    tab.tick(1)
    tab.wait_for("heard.length && badges.length")
    time.sleep(0.3)

    assert tab.evaluate("heard") == ["one 1"]
    assert tab.evaluate("badges") == [1]
    assert tab.sockets() == 1


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_page_without_the_tag_ends_the_connection_and_one_with_it_begins_again(
    driven: DrivenWorld, library: str
) -> None:
    tab = Visit(driven, library)
    tab.is_open()

    tab.visit("plain")
    tab.wait_for("last === 'closed removed'")
    driven.gateway.wait_until(lambda: not driven.gateway.connections(), timeout=PATIENCE_MS / 1000)
    tab.visit("quiet")
    tab.is_open()
    tab.tick(1)
    tab.wait_for("badges.length")

    assert tab.evaluate("badges") == [1]
    assert tab.sockets() == 2


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("name", ["one", "shared"])
def test_a_connection_whose_page_has_gone_does_not_come_back_because_the_tab_is_looked_at(
    driven: DrivenWorld, name: str
) -> None:
    tab = Visit(driven, "turbo", name)
    tab.is_open()

    tab.visit("plain")
    tab.wait_for("last === 'closed removed'")
    tab.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    time.sleep(0.5)
    driven.gateway.wait_until(lambda: not driven.gateway.connections(), timeout=PATIENCE_MS / 1000)

    tab.visit(name)
    tab.is_open()


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_page_of_another_channel_has_its_own_connection_in_place_of_the_first(
    driven: DrivenWorld, library: str
) -> None:
    tab = Visit(driven, library)
    tab.is_open()

    tab.visit("kitchen")
    time.sleep(0.3)
    tab.is_open()
    tab.tick(1)
    tab.tick(2, channel="kitchen")
    tab.wait_for("heard.length")
    assert tab.evaluate("heard") == ["kitchen 2"]

    tab.visit("two")
    time.sleep(0.3)
    tab.is_open()
    tab.tick(3)
    tab.wait_for("heard.length === 2")
    assert tab.evaluate("heard") == ["kitchen 2", "two 3"]


MORPH = """
(window.morph = (changes) => {
  const text = document.getElementById("websocket-gateway").firstChild;
  text.data = JSON.stringify({ ...JSON.parse(text.data), ...changes }, null, 1);
}, 0)
"""
RUN_AGAIN = """
(() => {
  const before = [...document.querySelectorAll("body script[type=module]")].at(-1);
  const script = document.createElement("script");
  Object.assign(script, { type: "module", textContent: before.textContent.replaceAll('"one', '"kitchen') });
  before.replaceWith(script);
})()
"""
"""What morphing does to a tag that both pages have: the element stays, its text is the next page's."""


def test_a_page_that_is_morphed_into_another_has_the_others_connection_alone(driven: DrivenWorld) -> None:
    tab = Visit(driven, "none")
    tab.is_open()
    tab.evaluate(MORPH)

    tab.evaluate("morph({ channel: 'kitchen' })")
    tab.evaluate("(window.former = client, 0)")
    tab.evaluate(RUN_AGAIN)
    tab.wait_for("client !== former && former.state === 'closed'")
    tab.is_open()
    tab.tick(1)
    tab.tick(2, channel="kitchen")
    tab.wait_for("heard.length")

    assert tab.evaluate("heard") == ["kitchen 2"]


def test_a_page_that_is_morphed_and_asks_for_nothing_goes_on_for_its_user_alone(driven: DrivenWorld) -> None:
    tab = Visit(driven, "none")
    tab.is_open()
    tab.evaluate(MORPH)

    tab.evaluate("morph({ channel: 'kitchen' })")
    time.sleep(1.5)
    tab.is_open()
    tab.evaluate("morph({ user: 'another' })")
    tab.wait_for("last === 'closed removed'")
    driven.gateway.wait_until(lambda: not driven.gateway.connections(), timeout=PATIENCE_MS / 1000)
    assert tab.sockets() == 1


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_login_as_another_user_in_between_begins_anew(driven: DrivenWorld, library: str) -> None:
    tab = Visit(driven, library)
    tab.is_open()
    grace = User.objects.create_user("grace")

    driven.log_in(tab.profile, grace)
    tab.visit("two")
    time.sleep(0.3)
    tab.is_open()
    broadcast({"type": "tick", "n": 1}, user=grace)
    tab.wait_for("heard.length")

    assert tab.evaluate("heard") == ["two 1"]
    assert tab.sockets() == 2


def leave_and_come_back(tab: Visit, name: str, meanwhile: Callable[[], None] | None = None) -> bool:
    """Whether the browser kept the page."""
    tab.evaluate("addEventListener('pageshow', ({ persisted }) => (window.kept = persisted))")
    tab.click("plain")
    tab.shows("plain")
    gateway = tab.world.gateway
    gateway.wait_until(lambda: not gateway.connections(), timeout=PATIENCE_MS / 1000)
    if meanwhile:
        meanwhile()
    tab.tab.back()
    tab.shows(name)
    tab.wait_for("window.kept || (window.ran && !window.sameDocument)")
    return bool(tab.evaluate("!!window.kept"))


def wait_without_connection(driven: DrivenWorld) -> Visit:
    """On a page that will not try again for half a minute, so that nothing is under way when it is left."""
    tab = Visit(driven, "none", "patient")
    tab.is_open()
    tab.evaluate("void (Math.random = () => 0.999)")
    driven.cut_every_socket()
    tab.wait_for("last === 'reconnecting cut'")
    return tab


def test_a_page_that_is_gone_back_to_is_connected_and_hears_each_frame_once(driven: DrivenWorld) -> None:
    tab = Visit(driven, "none")
    tab.is_open()

    kept = leave_and_come_back(tab, "one")
    is_connected_at_once(tab, "one")

    # Firefox keeps no page that has a socket when it is left: it loads the page anew.
    assert kept is (driven.driver.name != "firefox")


def is_connected_at_once(tab: Visit, name: str) -> None:
    begun = time.monotonic()
    tab.is_open()
    assert time.monotonic() - begun < 10  # the page would wait for half a minute
    tab.tick(1)
    tab.wait_for("heard.length")
    assert tab.evaluate("heard") == [f"{name} 1"]


def test_a_page_that_was_left_without_a_connection_comes_out_of_the_cache_and_connects_at_once(
    driven: DrivenWorld,
) -> None:
    tab = wait_without_connection(driven)

    assert leave_and_come_back(tab, "patient")
    is_connected_at_once(tab, "patient")


def test_a_page_from_the_cache_of_who_has_logged_out_meanwhile_ends(driven: DrivenWorld) -> None:
    tab = wait_without_connection(driven)
    grace = User.objects.create_user("grace")

    assert leave_and_come_back(tab, "patient", lambda: driven.log_in(tab.profile, grace))
    tab.wait_for("last === 'closed user_changed'")

    assert not driven.gateway.connections()
