"""The chat in a real Chromium: two people, two pages, over the local gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.chromium import chromium, in_chromium
from tests.end_to_end.sample import Chat, running_chat

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = in_chromium
PEOPLE = {"ada": "engine-1843", "grace": "cobol-1959"}


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


def test_what_one_says_the_other_reads_both_ways_and_once(browser: Browser, chat: Chat) -> None:
    ada, grace = enter(browser, chat, "ada"), enter(browser, chat, "grace")

    say(ada, "Is <b>anyone</b> there? é😀")
    assert line(grace, "Is <b>anyone</b> there? é😀").startswith("ada")
    say(grace, "I am.")
    assert line(ada, "I am.").startswith("grace")

    assert line(ada, "anyone")
    assert line(grace, "I am.")


def test_the_button_notifies_both(browser: Browser, chat: Chat) -> None:
    ada, grace = enter(browser, chat, "ada"), enter(browser, chat, "grace", width=390)

    grace.get_by_role("button", name="Notify all").click()

    for page in (ada, grace):
        page.get_by_text("grace waves at everyone.").wait_for()


def test_a_page_whose_socket_was_cut_reconnects_by_itself_and_misses_nothing(
    browser: Browser, chat: Chat
) -> None:
    ada, grace = enter(browser, chat, "ada"), enter(browser, chat, "grace")

    assert chat.cut_every_socket() >= 2

    # The first one back speaks at once, whether the other one is back already or not.
    grace.get_by_text("Reconnecting").wait_for()
    grace.get_by_text("Connected", exact=True).wait_for()
    say(grace, "Are you back?")
    assert line(ada, "Are you back?").startswith("grace")
    ada.get_by_text("Connected", exact=True).wait_for()


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


def test_who_is_here_who_types_and_what_is_said_next_door(browser: Browser, chat: Chat) -> None:
    ada = enter(browser, chat, "ada")
    grace = enter(browser, chat, "grace")
    people = ada.get_by_role("list", name="Here now")
    people.get_by_text("grace").wait_for()

    grace.get_by_label("Message", exact=True).press_sequentially("Hm")
    ada.get_by_text("grace is typing…").wait_for()

    grace.get_by_role("link", name="Kitchen").click()
    grace.get_by_text("Connected", exact=True).wait_for()
    people.get_by_text("grace").wait_for(state="detached")
    say(grace, "Coffee?")
    ada.get_by_label("1 unread").wait_for()
    ada.get_by_role("link", name="Kitchen").click()
    assert line(ada, "Coffee?").startswith("grace")


def test_who_is_logged_out_elsewhere_is_told_so(browser: Browser, chat: Chat) -> None:
    ada = enter(browser, chat, "ada")
    other = ada.context.new_page()
    other.goto(chat.address)

    other.get_by_role("button", name="Log out").click()

    ada.get_by_text("You are logged out.").wait_for()
    assert "next=/" in (ada.get_by_role("link", name="Log in").get_attribute("href") or "")
