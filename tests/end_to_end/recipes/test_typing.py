"""Who is typing: shown to others, for some seconds, and never to the one who types."""

from __future__ import annotations

from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.recipes.served import Recipe, wait_until_live
from websocket_gateway.models import WebSocketSession

pytestmark = in_chromium
PAGE = "typing.md"


def test_others_see_who_types_for_some_seconds_also_after_a_cut(recipe: Recipe) -> None:
    ada, grace = recipe.enter("ada"), recipe.enter("grace", width=390)
    joined = WebSocketSession.objects.in_channel("typing_draft").filter(connected=True)
    recipe.gateway.wait_until(lambda: joined.count() == 2, timeout=30)

    ada.get_by_label("Text").press_sequentially("Dear")
    grace.get_by_text("ada typing…").wait_for()
    grace.get_by_text("ada typing…").wait_for(state="detached")
    assert ada.locator("#typing").inner_text() == ""

    recipe.cut_every_socket()
    ada.locator("body[data-state=reconnecting]").wait_for()
    ada.get_by_label("Text").press_sequentially(" Gr")
    for page in (ada, grace):
        wait_until_live(page)
    recipe.gateway.wait_until(lambda: joined.count() == 2, timeout=30)
    assert grace.locator("#typing").inner_text() == ""
    ada.get_by_label("Text").press_sequentially("ace")
    grace.get_by_text("ada typing…").wait_for()
