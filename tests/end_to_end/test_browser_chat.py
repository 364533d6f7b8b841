"""The chat's page in a real Chromium: how it looks, and how it does on a slow walk and in a tunnel."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.axe import Judge, needs_npm
from tests.end_to_end.chromium import chromium, in_chromium
from tests.end_to_end.sample import PEOPLE, Chat, running_chat

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = in_chromium
PICTURES = os.environ.get("WEBSOCKET_GATEWAY_TEST_SCREENSHOTS", "")


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    with running_chat(tmp_path_factory.mktemp("sample") / "sample.sqlite3") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(autouse=True)
def everybody_leaves(browser: Browser) -> Iterator[None]:
    yield
    for context in browser.contexts:
        context.close()


def enter(browser: Browser, chat: Chat, name: str, *, width: int = 1280) -> Page:
    """Log in as one would, in a browser context of one's own, and wait for the socket."""
    page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
    page.goto(chat.address)
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PEOPLE[name])
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("Connected", exact=True).wait_for()
    return page


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def line(page: Page, text: str) -> str:
    """The line that holds `text`, once it is there: who said it, when, and what."""
    found = page.get_by_role("log").get_by_role("listitem").filter(has_text=text)
    found.wait_for()
    assert found.count() == 1
    return found.text_content() or ""


def test_nothing_is_wider_than_a_phone_and_the_console_is_silent(browser: Browser, chat: Chat) -> None:
    page = enter(browser, chat, "ada", width=390)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))

    say(page, "x" * 500)
    line(page, "x" * 500)

    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert said == []


def test_what_one_says_without_a_connection_is_sent_when_there_is_one_again(
    browser: Browser, chat: Chat
) -> None:
    ada, grace = enter(browser, chat, "ada"), enter(browser, chat, "grace")

    grace.route("**/token/", lambda route: route.abort())
    chat.cut_every_socket()
    grace.get_by_text("Reconnecting").wait_for()
    say(grace, "Said in a tunnel.")
    grace.get_by_text("Sending…").wait_for()
    grace.unroute("**/token/")

    assert line(ada, "Said in a tunnel.").startswith("grace")
    grace.get_by_text("Delivered").wait_for()
    assert line(grace, "Said in a tunnel.")


def test_a_mention_waits_until_it_is_read_on_any_device(browser: Browser, chat: Chat) -> None:
    ada = enter(browser, chat, "ada")
    say(ada, "Are you there, @grace?")
    line(ada, "Are you there, @grace?")

    desk, phone = enter(browser, chat, "grace"), enter(browser, chat, "grace")
    for page in (desk, phone):
        page.get_by_text("ada mentions you in lobby").wait_for()
        page.get_by_title("Unread mentions").get_by_text("1", exact=True).wait_for()
    phone.get_by_role("button", name="Mark as read").click()

    for page in (desk, phone):
        page.get_by_title("Unread mentions").wait_for(state="hidden")
        page.get_by_text("ada mentions you in lobby").wait_for(state="detached")
    assert enter(browser, chat, "grace").get_by_title("Unread mentions").is_hidden()


TROUBLES: dict[str, dict[str, Any]] = {
    "Too many connections, waiting": {"status": 429, "headers": {"Retry-After": "300"}},
    "Cannot reach the server, trying again": {"status": 502},
    "Refused (CSRF), trying again": {"status": 403, "json": {"error": "csrf_failed"}},
    "Closed: logged out": {"status": 403, "json": {"error": "not_authenticated"}},
    "Closed: another user": {"status": 200, "json": {"token": "t", "user": "somebody-else"}},
}


@pytest.mark.parametrize("words", TROUBLES)
def test_the_badge_says_what_the_client_does_and_hides_nothing(
    browser: Browser, chat: Chat, words: str
) -> None:
    page = enter(browser, chat, "ada", width=390)
    page.goto(f"{chat.address}/rooms/workshop/")  # the longest name
    badge = page.locator("#state")
    page.get_by_text("Connected", exact=True).wait_for()
    assert nothing_covers_another(page)

    page.route("**/token/", lambda route: route.fulfill(**TROUBLES[words]))
    chat.cut_every_socket()
    badge.get_by_text(words).wait_for()
    if not words.startswith("Closed"):
        badge.get_by_text("2 s", exact=True).wait_for()

    assert nothing_covers_another(page)
    picture(page, f"{words.split()[0]}-{words.split()[-1]}")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert nothing_covers_another(page)
    picture(page, f"{words.split()[0]}-{words.split()[-1]}")


def nothing_covers_another(page: Page) -> bool:
    """The parts of the bar on top; and nothing is wider than the window."""
    found = [page.locator(name).bounding_box() for name in (".bar h1 span", ".bar #state", ".bar nav")]
    boxes = [box for box in found if box]
    apart = all(
        one["x"] + one["width"] <= other["x"]
        or other["x"] + other["width"] <= one["x"]
        or one["y"] + one["height"] <= other["y"]
        or other["y"] + other["height"] <= one["y"]
        for one, other in combinations(boxes, 2)
    )
    fits = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    return len(boxes) == 3 and apart and bool(fits)


def picture(page: Page, name: str) -> None:
    """Kept where that was asked for."""
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/chat-{name}-{page.evaluate('innerWidth')}.png")


def test_who_clicks_from_page_to_page_for_a_minute_is_connected_within_two_seconds_on_each(
    browser: Browser, chat: Chat
) -> None:
    page = enter(browser, chat, "ada")
    took: list[float] = []
    for number in range(60):
        begun = time.monotonic()
        with page.expect_navigation(wait_until="load"):
            page.get_by_role("link", name=("Kitchen", "Workshop", "Lobby")[number % 3]).click()
        loaded = time.monotonic()
        page.locator("#state[data-state=open]").wait_for()
        took.append(time.monotonic() - loaded)
        time.sleep(max(0, begun + 1 - time.monotonic()))

    assert max(took) < 2, f"half of them after {median(took):.2f} s, the last after {max(took):.2f} s"


@needs_npm
def test_no_page_of_the_chat_has_a_serious_finding(browser: Browser, chat: Chat) -> None:
    page = browser.new_context().new_page()
    judge = Judge(page)
    page.goto(chat.address)
    judge.look("chat-login")
    judge.page = ada = enter(browser, chat, "ada")
    say(ada, "Nobody has to guess what this says")
    line(ada, "Nobody has to guess")
    judge.look("chat-room")
    chat.cut_every_socket()
    ada.get_by_text("Connected", exact=True).wait_for()
    judge.look("chat-room-again")

    assert not judge.faults, "\n".join(judge.faults)
