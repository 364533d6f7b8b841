"""The chat's page in a real Chromium: how it looks, and how it does on a slow walk and in a tunnel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.chromium import chromium, in_chromium
from tests.end_to_end.sample import PEOPLE, Chat, running_chat

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = in_chromium


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
