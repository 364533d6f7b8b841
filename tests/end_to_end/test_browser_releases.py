"""Pages and servers of different releases: the client before channels had a history, and the one of now."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from django.db import connection

from tests.end_to_end.browsing import PATIENCE_MS, World, wait_for_state
from tests.end_to_end.chromium import in_chromium
from websocket_gateway.sending import broadcast

ROOT = Path(__file__).resolve().parents[2]
BEFORE = "09f388a"
"""The last commit before channels had a history."""
CLIENT = "websocket_gateway/static/websocket_gateway/client.js"

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.pages"),
    pytest.mark.usefixtures("database_beside_playwright"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="drives the browser, not the database"),
]


@pytest.fixture(scope="module")
def old_client() -> str:
    found = subprocess.run(
        ["git", "show", f"{BEFORE}:{CLIENT}"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if found.returncode:
        pytest.skip(f"the history of this checkout does not reach back to {BEFORE}")
    return found.stdout


def test_page_that_resumes_shows_what_came_while_it_was_made(world: World, settings: object) -> None:
    settings.WEBSOCKET_GATEWAY = {  # type: ignore[attr-defined]
        **settings.WEBSOCKET_GATEWAY,  # type: ignore[attr-defined]
        "CHANNELS": {"orders_*": {"HISTORY_MESSAGES": 100}},
    }
    page = world.open(world.context(), path="/resuming/")
    page.evaluate("client.subscribe('orders_eu')")
    page.wait_for_function("frames_.length === 1", timeout=PATIENCE_MS)
    assert page.evaluate("frames_[0].n") == "meanwhile"


def test_page_with_the_old_client_works_with_channels_that_have_a_history(
    world: World, settings: object, old_client: str
) -> None:
    settings.WEBSOCKET_GATEWAY = {  # type: ignore[attr-defined]
        **settings.WEBSOCKET_GATEWAY,  # type: ignore[attr-defined]
        "CHANNELS": {"orders_*": {"HISTORY_MESSAGES": 100}, "lobby": {"HISTORY_MESSAGES": 100}},
    }
    context = world.context()
    context.route(
        "**/websocket_gateway/client.js",
        lambda route: route.fulfill(body=old_client, content_type="text/javascript"),
    )
    page = world.open(context, path="/resuming/")  # it ignores the position
    assert page.evaluate("client.channel") is None  # it is the old one
    page.evaluate("client.subscribe('orders_eu')")

    broadcast({"type": "order", "n": 1}, channel="orders_eu")
    broadcast({"type": "tick", "n": 2}, channel="lobby")
    page.wait_for_function("frames_.length === 2")
    world.cut_every_socket()
    page.wait_for_function("states.length >= 3")
    wait_for_state(page, "open")
    assert page.evaluate("client.request('keep', { n: 1 })") == {"kept": 1}
    page.evaluate("client.subscribe('orders_eu')")
    broadcast({"type": "order", "n": 3}, channel="orders_eu")

    page.wait_for_function("frames_.length === 3", timeout=PATIENCE_MS)
    assert page.evaluate("frames_.map(({ type, n }) => [type, n])") == [
        ["order", 1],
        ["tick", 2],
        ["order", 3],
    ]
