"""A form with HTMX: errors for its author, comments for everyone, fragments whose attributes work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.recipes import npm
from tests.end_to_end.recipes.served import Recipe, wait_until_live

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = in_chromium
PAGE = "htmx_form.md"


@pytest.fixture(scope="module")
def htmx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("npm")
    npm.install(folder, "htmx.org")
    return folder / "node_modules" / "htmx.org" / "dist" / "htmx.min.js"


def comment(page: Page, text: str) -> None:
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Comment").click()


def expect(page: Page, *texts: str) -> None:
    page.wait_for_function(
        "expected => [...document.querySelectorAll('#comments li')]"
        ".map(item => item.innerText.replace(/\\s+/g, ' ').trim()).join() === expected.join()",
        arg=list(texts),
    )


def test_what_is_posted_appears_in_every_page_also_after_a_cut(recipe: Recipe, htmx: Path) -> None:
    (recipe.folder / "static").mkdir()
    (recipe.folder / "static" / "htmx.min.js").write_bytes(htmx.read_bytes())
    ada, grace = recipe.enter("ada"), recipe.enter("grace", width=390)
    comment(ada, "First")
    for page in (ada, grace):
        expect(page, "ada: First ♥ 0")
    assert ada.get_by_label("Text").input_value() == ""

    grace.get_by_label("Text").fill("half a sentence")
    grace.get_by_role("button", name="Like").click()  # of a fragment that came over the socket
    for page in (ada, grace):
        expect(page, "ada: First ♥ 1")
    assert grace.get_by_label("Text").input_value() == "half a sentence"

    ada.evaluate("document.querySelector('[name=text]').removeAttribute('maxlength')")
    comment(ada, "x" * 201)
    ada.get_by_text("at most 200 characters").wait_for()

    assert recipe.cut_every_socket() == 2
    comment(ada, "<b>Second</b>")
    grace.get_by_role("button", name="Like").first.click()
    for page in (ada, grace):
        expect(page, "ada: First ♥ 2", "ada: <b>Second</b> ♥ 0")
    ada.reload()
    wait_until_live(ada)
    expect(ada, "ada: First ♥ 2", "ada: <b>Second</b> ♥ 0")
