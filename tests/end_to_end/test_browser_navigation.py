"""Pages that HTMX, Turbo and the browser itself navigate: one connection, and each frame once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from tests.end_to_end.browsing import PATIENCE_MS, World
from tests.end_to_end.chromium import chromium, in_chromium
from tests.end_to_end.navigated import install_libraries
from websocket_gateway.sending import broadcast

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.navigated"),
    pytest.mark.usefixtures("database_beside_playwright"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="drives the browser, not the database"),
]
LIBRARIES = ["htmx2", "htmx4", "turbo"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(keeps_pages=True) as found:
        yield found


@pytest.fixture
def libraries(request: pytest.FixtureRequest) -> None:
    install_libraries(request.config.cache.mkdir("npm"))


class Tab:
    """A page of the site, and the sockets that it has opened."""

    def __init__(self, world: World, library: str, name: str = "one") -> None:
        self.world = world
        self.context = world.context()
        self.page: Page = self.context.new_page()
        self.sockets: list[str] = []
        self.page.on("websocket", lambda socket: self.sockets.append(socket.url))
        self.page.goto(f"{world.site.url}/{library}/{name}/")
        self.page.evaluate("window.sameDocument = true")

    def visit(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()
        self.arrived(name)

    def arrived(self, name: str) -> None:
        self.page.get_by_role("heading", name=name, exact=True).wait_for()
        assert self.page.evaluate("window.sameDocument")

    def is_open(self, count: int = 1) -> None:
        self.page.wait_for_function("window.client?.state === 'open'")
        self.world.gateway.wait_until(
            lambda: len(self.world.gateway.connections()) == count, timeout=PATIENCE_MS / 1000
        )

    def tick(self, n: int, channel: str = "lobby") -> None:
        broadcast({"type": "tick", "n": n}, channel=channel)


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("library", LIBRARIES)
def test_after_twelve_clicks_there_is_one_socket_and_a_frame_is_heard_once(
    world: World, library: str
) -> None:
    tab = Tab(world, library)
    tab.is_open()

    for name in ["two", "three", "one"] * 4:
        tab.visit(name)
    tab.visit("two")
    tab.page.go_back()
    tab.arrived("one")
    tab.page.wait_for_timeout(300)  # its scripts
    tab.is_open()
    tab.tick(1)
    tab.page.wait_for_function("heard.length && badges.length")
    tab.page.wait_for_timeout(300)

    assert tab.page.evaluate("heard") == ["one 1"]
    assert tab.page.evaluate("badges") == [1]
    assert len(tab.sockets) == 1


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_page_without_the_tag_ends_the_connection_and_one_with_it_begins_again(
    world: World, library: str
) -> None:
    tab = Tab(world, library)
    tab.is_open()

    tab.visit("plain")
    tab.page.wait_for_function("last === 'closed removed'")
    world.gateway.wait_until(lambda: not world.gateway.connections(), timeout=PATIENCE_MS / 1000)
    tab.visit("quiet")
    tab.is_open()
    tab.tick(1)
    tab.page.wait_for_function("badges.length")

    assert tab.page.evaluate("badges") == [1]
    assert len(tab.sockets) == 2


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("name", ["one", "shared"])
def test_a_connection_whose_page_has_gone_does_not_come_back_because_the_tab_is_looked_at(
    world: World, name: str
) -> None:
    tab = Tab(world, "turbo", name)
    tab.is_open()

    tab.visit("plain")
    tab.page.wait_for_function("last === 'closed removed'")
    tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    tab.page.wait_for_timeout(500)
    assert not world.gateway.connections()

    tab.visit(name)
    tab.is_open()


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_page_of_another_channel_has_its_own_connection_in_place_of_the_first(
    world: World, library: str
) -> None:
    tab = Tab(world, library)
    tab.is_open()

    tab.visit("kitchen")
    tab.page.wait_for_timeout(300)
    tab.is_open()
    tab.tick(1)
    tab.tick(2, channel="kitchen")
    tab.page.wait_for_function("heard.length")
    assert tab.page.evaluate("heard") == ["kitchen 2"]

    tab.visit("two")
    tab.page.wait_for_timeout(300)
    tab.is_open()
    tab.tick(3)
    tab.page.wait_for_function("heard.length === 2")
    assert tab.page.evaluate("heard") == ["kitchen 2", "two 3"]


@pytest.mark.usefixtures("libraries")
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_login_as_another_user_in_between_begins_anew(world: World, library: str) -> None:
    tab = Tab(world, library)
    tab.is_open()
    grace = User.objects.create_user("grace")

    world.log_in(tab.context, grace)
    tab.visit("two")
    tab.page.wait_for_timeout(300)
    tab.is_open()
    broadcast({"type": "tick", "n": 1}, user=grace)
    tab.page.wait_for_function("heard.length")

    assert tab.page.evaluate("heard") == ["two 1"]
    assert len(tab.sockets) == 2


def leave_and_come_back(tab: Tab, meanwhile: Any = None) -> None:
    tab.page.evaluate("addEventListener('pageshow', ({ persisted }) => (window.kept = persisted))")
    tab.page.get_by_role("link", name="plain", exact=True).click()
    tab.page.get_by_role("heading", name="plain", exact=True).wait_for()
    gateway = tab.world.gateway
    gateway.wait_until(lambda: not gateway.connections(), timeout=PATIENCE_MS / 1000)
    if meanwhile:
        meanwhile()
    # Not `go_back`, which waits for a load.
    tab.page.evaluate("() => void setTimeout(() => history.back())")
    tab.page.get_by_role("heading", name="one", exact=True).wait_for()
    assert tab.page.evaluate("window.kept") is True, "Chromium kept the page"


def test_a_page_out_of_the_browsers_cache_is_connected_again_and_hears_each_frame_once(world: World) -> None:
    tab = Tab(world, "none")
    tab.is_open()

    leave_and_come_back(tab)
    begun = time.monotonic()
    tab.is_open()
    assert time.monotonic() - begun < 2
    tab.tick(1)
    tab.page.wait_for_function("heard.length")

    assert tab.page.evaluate("heard") == ["one 1"]


def test_a_page_from_the_cache_of_who_has_logged_out_meanwhile_ends(world: World) -> None:
    tab = Tab(world, "none")
    tab.is_open()

    leave_and_come_back(tab, lambda: world.log_in(tab.context, User.objects.create_user("grace")))
    tab.page.wait_for_function("last === 'closed user_changed'")

    assert not world.gateway.connections()
