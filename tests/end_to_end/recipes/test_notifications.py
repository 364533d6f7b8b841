"""A bell: it counts what came while the page was away, and all devices show the same number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.models import User

from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.recipes.served import Recipe
from websocket_gateway.channels import inbox
from websocket_gateway.sending import broadcast

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = in_chromium
PAGE = "notifications.md"


def wait_for_unread(page: Page, number: int) -> None:
    page.locator("#unread").get_by_text(str(number), exact=True).wait_for()


def notify(page: Page, name: str, text: str) -> None:
    page.get_by_label("User").select_option(name)
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Notify").click()
    page.locator("body[data-state=open]").wait_for()


def test_a_bell_counts_what_came_while_the_page_was_away(recipe: Recipe) -> None:
    grace_user = User.objects.create_user("grace")
    ada = recipe.enter("ada")
    notify(ada, "grace", "Before")
    desk, phone = recipe.enter("grace"), recipe.enter("grace", width=390)
    for page in (desk, phone):
        wait_for_unread(page, 1)

    assert recipe.cut_every_socket() == 3
    notify(ada, "grace", "<i>During</i>")
    for page in (desk, phone):
        wait_for_unread(page, 2)

    desk.get_by_text("Notifications").click()
    desk.locator("#notices li").nth(1).wait_for()
    assert desk.locator("#notices li").all_inner_texts() == ["ada: <i>During</i>", "ada: Before"]
    for page in (desk, phone):
        wait_for_unread(page, 0)
    assert inbox.unread(grace_user) == 0

    broadcast({"text": "While it is open"}, user=grace_user, inbox=True)
    desk.locator("#notices li").get_by_text("While it is open").wait_for()
    wait_for_unread(phone, 0)
    phone.reload()
    wait_for_unread(phone, 0)
    phone.get_by_text("Notifications").click()
    phone.locator("#notices li").nth(2).wait_for()
    assert ada.locator("#unread").inner_text() == "0"
