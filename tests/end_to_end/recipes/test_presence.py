"""Who is here: each user once, without a flicker over cuts and reloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.recipes.served import Recipe, wait_until_live

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = in_chromium
PAGE = "presence.md"
WATCH = """
window.seen = [here.textContent];
new MutationObserver(() => seen.push(here.textContent)).observe(here, { childList: true });
"""


def expect(page: Page, text: str) -> None:
    page.wait_for_function("expected => here.textContent === expected", arg=text)


def test_each_user_is_shown_once_and_without_a_flicker(recipe: Recipe) -> None:
    ada = recipe.enter("ada")
    expect(ada, "ada")
    grace = recipe.enter("grace", width=390)
    for page in (ada, grace):
        expect(page, "ada, grace")

    ada.evaluate(WATCH)
    second = recipe.visit(grace.context.new_page())
    assert recipe.cut_every_socket() == 3
    for page in (ada, grace, second):
        wait_until_live(page)
    second.close()
    grace.reload()
    wait_until_live(grace)
    expect(grace, "ada, grace")
    assert set(ada.evaluate("seen")) == {"ada, grace"}

    grace.context.close()
    expect(ada, "ada")
