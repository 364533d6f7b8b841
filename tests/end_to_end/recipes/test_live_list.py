"""A live list: rows appear, change and vanish in every page, also in one that was away."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.recipes.served import Recipe

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = in_chromium
PAGE = "live_list.md"


@pytest.fixture
def orders(recipe: Recipe) -> Any:
    return import_module("orders.models").Order.objects


def rows(page: Page, *texts: str) -> None:
    """Wait until these rows are shown, and no other."""
    page.wait_for_function(
        "expected => [...document.querySelectorAll('#orders li')]"
        ".map(item => item.innerText.trim().replace(/\\s+/g, ' ')).join() === expected.join()",
        arg=list(texts),
    )


def test_rows_appear_change_and_vanish_also_in_a_page_that_was_away(recipe: Recipe, orders: Any) -> None:
    tea = orders.create(item="Tea")
    ada, grace = recipe.enter("ada"), recipe.enter("grace", width=390)
    for page in (ada, grace):
        rows(page, "Tea")

    coffee = orders.create(item="<b>Coffee</b>")
    tea.is_ready = True
    tea.save()
    for page in (ada, grace):
        rows(page, "Tea ready", "<b>Coffee</b>")

    assert recipe.cut_every_socket() == 2
    tea.delete()
    orders.create(item="Cake")
    with transaction.atomic():
        orders.create(item="Rolled back")
        transaction.set_rollback(True)
    for page in (ada, grace):
        rows(page, "<b>Coffee</b>", "Cake")

    coffee.delete()
    rows(ada, "Cake")
    ada.reload()
    rows(ada, "Cake")


def test_a_change_between_rendering_and_connecting_is_shown_once(recipe: Recipe, orders: Any) -> None:
    page = recipe.enter("ada")
    page.route("**/token/", lambda route: (orders.create(item="Meanwhile"), route.continue_()))

    page.reload()

    rows(page, "Meanwhile")
