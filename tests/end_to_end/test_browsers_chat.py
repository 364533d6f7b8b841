"""The demo's chat in three browsers: two people, two pages, over the local gateway."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.end_to_end.chromium import in_browsers
from tests.end_to_end.drivers.interface import Driver, Profile, Tab
from tests.end_to_end.sample import PEOPLE, Chat, running_chat

pytestmark = in_browsers
Enter = Callable[[str], Tab]
MESSAGES = "[...document.querySelectorAll('#messages li')].map((item) => item.textContent)"


@pytest.fixture(scope="module")
def chat(driver: Driver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chat]:
    """One for each browser."""
    with running_chat(tmp_path_factory.mktemp("sample") / "sample.sqlite3") as found:
        yield found


@pytest.fixture
def profiles(driver: Driver) -> Iterator[list[Profile]]:
    """They leave when the test ends."""
    found: list[Profile] = []
    yield found
    for profile in found:
        profile.close()


@pytest.fixture
def enter(driver: Driver, chat: Chat, profiles: list[Profile]) -> Enter:
    """Log in as one would, in a browser of one's own, and wait for the socket."""

    def enter(name: str) -> Tab:
        profiles.append(driver.profile())
        tab = profiles[-1].open(chat.address)
        tab.fill("#id_username", name)
        tab.fill("#id_password", PEOPLE[name])
        tab.click("button.primary")
        shows(tab, "Connected")
        return tab

    return enter


def shows(tab: Tab, text: str, selector: str = "body") -> None:
    """Where one can see it."""
    tab.wait_for(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})")


def say(tab: Tab, text: str) -> None:
    tab.fill("#text", text)
    tab.click("#send")


def line(tab: Tab, text: str) -> str:
    """The one line that holds `text`, once it is there: who said it, when, and what."""
    tab.wait_for(f"{MESSAGES}.some((said) => said.includes({json.dumps(text)}))")
    [found] = tab.evaluate(f"{MESSAGES}.filter((said) => said.includes({json.dumps(text)}))")
    return str(found)


def test_what_one_says_the_other_reads_both_ways_and_once(enter: Enter) -> None:
    ada, grace = enter("ada"), enter("grace")

    say(ada, "Is <b>anyone</b> there? é😀")
    assert line(grace, "Is <b>anyone</b> there? é😀").startswith("ada")
    say(grace, "I am.")
    assert line(ada, "I am.").startswith("grace")

    assert line(ada, "anyone")
    assert line(grace, "I am.")


def test_the_button_notifies_both(enter: Enter) -> None:
    ada, grace = enter("ada"), enter("grace")

    grace.click("#notify")

    for tab in (ada, grace):
        shows(tab, "grace waves at everyone.", "#notices")


def test_a_page_whose_socket_was_cut_reconnects_by_itself_and_misses_nothing(
    enter: Enter, chat: Chat
) -> None:
    ada, grace = enter("ada"), enter("grace")
    seen = "new MutationObserver(() => badges.push(state.innerText)).observe(state, { childList: true })"
    grace.evaluate(f"void (window.badges = [], {seen})")

    assert chat.cut_every_socket() >= 2

    # The first one back speaks at once, whether the other one is back already or not.
    grace.wait_for("badges.some((badge) => badge.startsWith('Reconnecting'))")
    shows(grace, "Connected", "#state")
    say(grace, "Are you back?")
    assert line(ada, "Are you back?").startswith("grace")
    shows(ada, "Connected", "#state")


def test_who_is_here_who_types_and_what_is_said_next_door(enter: Enter) -> None:
    ada, grace = enter("ada"), enter("grace")
    shows(ada, "grace", "#people")

    grace.fill("#text", "Hm")
    shows(ada, "grace is typing…", "#typing")

    grace.click("[data-room=kitchen]")
    grace.wait_for("location.pathname === '/rooms/kitchen/' && state.dataset.state === 'open'")
    ada.wait_for("!document.getElementById('people').innerText.includes('grace')")
    say(grace, "Coffee?")
    shows(ada, "1", "[data-room=kitchen] .unread")
    ada.click("[data-room=kitchen]")
    assert line(ada, "Coffee?").startswith("grace")


def test_who_is_logged_out_elsewhere_is_told_so(enter: Enter, chat: Chat, profiles: list[Profile]) -> None:
    ada = enter("ada")
    other = profiles[0].open(chat.address)

    other.click("form[action='/logout/'] button")

    shows(ada, "You are logged out.", "#notices")
    assert "next=/" in ada.evaluate("document.querySelector('#notices a').href")
