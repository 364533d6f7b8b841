"""A chat: messages are saved, shown and sent once, whatever happens to the connection."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.recipes.served import Recipe, wait_until_live

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = in_chromium
PAGE = "chat.md"


def say(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()


SHOWN = "[...document.querySelectorAll('#messages li')].map(item => item.textContent)"


def expect(page: Page, *texts: str) -> None:
    """Wait for these messages and no other, in any order: what waited for a connection is sent at once."""
    page.wait_for_function(
        f"expected => {SHOWN}.sort().join() === expected.join() && !document.querySelector('#waiting li')",
        arg=sorted(texts),
    )


def cutting_once(recipe: Recipe, broadcast: Callable[..., Any]) -> Callable[..., Any]:
    """Every socket is cut before the first handler that broadcasts can answer."""
    cuts: list[int] = []

    def broadcast_and_cut(*args: Any, **kwargs: Any) -> Any:
        report = broadcast(*args, **kwargs)
        if not cuts:
            cuts.append(recipe.gateway.cut())
            assert cuts == [2]
        return report

    return broadcast_and_cut


def test_messages_are_saved_and_shown_once_over_a_cut(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, grace = recipe.enter("ada"), recipe.enter("grace", width=390)
    say(ada, "<b>Hello</b>")
    for page in (ada, grace):
        expect(page, "ada: <b>Hello</b>")

    assert recipe.cut_every_socket() == 2
    say(ada, "One")
    say(ada, "Two")
    for page in (ada, grace):
        expect(page, "ada: <b>Hello</b>", "ada: One", "ada: Two")

    views = import_module("chat.views")
    monkeypatch.setattr(views, "broadcast", cutting_once(recipe, views.broadcast))
    say(grace, "Saved and not answered")
    for page in (ada, grace):
        expect(page, "ada: <b>Hello</b>", "ada: One", "ada: Two", "grace: Saved and not answered")
    assert import_module("chat.models").Message.objects.count() == 4

    ada.reload()
    expect(ada, "ada: <b>Hello</b>", "ada: One", "ada: Two", "grace: Saved and not answered")
    assert ada.evaluate(SHOWN) == grace.evaluate(SHOWN)


def test_another_room_is_another_page_and_an_unknown_one_is_refused(recipe: Recipe) -> None:
    ada = recipe.enter("ada")
    grace = recipe.enter("grace", "/garden/")
    say(ada, "In the lobby")
    say(grace, "In the garden")
    expect(ada, "ada: In the lobby")
    expect(grace, "grace: In the garden")

    ada.evaluate("document.getElementById('say').dataset.room = 'cellar'")
    ada.get_by_role("link", name="garden").click()
    wait_until_live(ada)
    expect(ada, "grace: In the garden")

    codes = ada.evaluate(
        "import('/static/websocket_gateway/client.js').then(({ fromPage }) => Promise.all(["
        "fromPage().request('say', { room: 'cellar', text: 'x' }), fromPage().subscribe('room_cellar')"
        "].map(promise => promise.then(() => 'done', ({ code }) => code))))"
    )
    assert codes == ["permission_denied", "channel_denied"]
