"""Refusals that pass, users that change, and browsers with rules of their own, in a real Chromium."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.db import connection

from tests.end_to_end.browsing import QUICK, World, wait_for_state
from tests.end_to_end.chromium import in_chromium

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.pages"),
    pytest.mark.usefixtures("database_beside_playwright"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="drives the browser, not the database"),
]
PATIENT: dict[str, Any] = {"backoffMs": 20_000, "backoffMaxMs": 40_000}
LOOKED_AT = "document.dispatchEvent(new Event('visibilitychange'))"


def go(world: World, context: BrowserContext, *, base: str = "", **options: Any) -> Page:
    """The page, whatever becomes of its connection."""
    page = context.new_page()
    page.goto(f"{base or world.site.url}/?options={quote(json.dumps({**QUICK, **options}))}")
    return page


def test_retry_after_is_obeyed_and_a_page_that_is_looked_at_waits_for_it_too(world: World) -> None:
    page = world.open(world.context())
    asked: list[float] = []
    page.on("request", lambda request: asked.append(time.monotonic()) if "/token/" in request.url else None)
    headers = {"Retry-After": "3"}
    page.route("**/token/", lambda route: route.fulfill(status=429, headers=headers), times=1)

    world.cut_every_socket()
    wait_for_state(page, "reconnecting: rate_limited")
    page.evaluate(LOOKED_AT)
    wait_for_state(page, "open")

    assert len(asked) == 2
    assert 2.9 < asked[1] - asked[0] < 6


def test_a_page_that_is_looked_at_during_a_pause_connects_at_once(world: World) -> None:
    page = world.open(world.context(), **PATIENT)
    page.route("**/token/", lambda route: route.fulfill(status=502))
    page.evaluate("Math.random = () => 0.999")
    world.cut_every_socket()
    wait_for_state(page, "reconnecting: cut")
    page.unroute_all()

    page.evaluate(LOOKED_AT)
    begun = time.monotonic()
    wait_for_state(page, "open")

    assert time.monotonic() - begun < 10  # the pause is one of 20 seconds


def test_forty_times_online_in_a_row_ask_for_few_tokens(world: World) -> None:
    page = world.open(world.context(), **PATIENT)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/token/" in request.url else None)
    page.route("**/token/", lambda route: route.fulfill(status=502))
    world.cut_every_socket()
    wait_for_state(page, "reconnecting: cut")

    for _ in range(40):
        page.evaluate("dispatchEvent(new Event('online'))")
        page.wait_for_timeout(50)

    assert 1 <= len(asked) < 4


def test_a_machine_without_network_connects_to_itself(world: World) -> None:
    context = world.context()
    context.add_init_script("Object.defineProperty(Navigator.prototype, 'onLine', { get: () => false })")

    world.open(context)


@pytest.mark.parametrize("to", ["http://sso.localhost:9/login", "/strict/"], ids=["elsewhere", "here"])
def test_a_token_view_that_redirects_to_a_login_means_that_there_is_none(world: World, to: str) -> None:
    page = go(world, world.context(), tokenUrl=f"/moved/?to={quote(to)}")

    wait_for_state(page, "closed: unauthorized")


def test_two_csrf_cookies_of_host_and_parent_domain_are_no_trouble(world: World, settings: Any) -> None:
    base = world.site.url.replace("127.0.0.1", "www.app.localhost")
    settings.ALLOWED_HOSTS = [".localhost", "127.0.0.1"]
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "ALLOWED_ORIGINS": [base]}
    context = world.context()
    context.add_cookies([{"name": "sessionid", "value": context.cookies()[0]["value"], "url": base}])
    page = go(world, context, base=base)
    wait_for_state(page, "open")

    # Another app of the same domain sets one, too.
    context.add_cookies([{"name": "csrftoken", "value": "p" * 32, "domain": ".app.localhost", "path": "/"}])
    world.cut_every_socket()
    page.wait_for_function("states.length === 3")
    assert page.evaluate("states") == ["open", "reconnecting: cut", "open"]
    assert page.evaluate("document.cookie.split('csrftoken=').length") == 3


def test_an_option_that_there_is_not_is_an_error_in_the_console(world: World) -> None:
    context = world.context()
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{world.site.url}/?options={quote(json.dumps({'tokenURL': '/token/'}))}")
    page.wait_for_timeout(500)

    assert ["did you mean tokenUrl?" in error for error in errors] == [True]
