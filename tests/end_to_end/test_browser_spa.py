"""An app on one origin and Django on another, in a real Chromium that enforces CORS."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.db import connection

from tests.end_to_end.browsing import Site, World, wait_for_state
from tests.end_to_end.chromium import in_chromium
from websocket_gateway.models import ApiGateway, WebSocketSession

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

pytest.importorskip("corsheaders")
pytest.importorskip("rest_framework")

pytestmark = [
    *in_chromium,
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.end_to_end.spa"),
    pytest.mark.usefixtures("database_beside_playwright"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="drives the browser, not the database"),
]


@pytest.fixture
def app_site() -> Iterator[Site]:
    """Where the app is served: another port, so another origin."""
    found = Site()
    yield found
    found.stop()


@pytest.fixture
def site(settings: Any, app_site: Site) -> Iterator[Site]:
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *settings.MIDDLEWARE]
    settings.CORS_ALLOWED_ORIGINS = [app_site.url]
    settings.CORS_EXPOSE_HEADERS = ["Retry-After"]
    found = Site()
    yield found
    found.stop()


@pytest.fixture
def spa(world: World, app_site: Site, settings: Any) -> World:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "ALLOWED_ORIGINS": [app_site.url]}
    return world


def go(world: World, app_site: Site, context: BrowserContext, way: str, path: str = "socket-token/") -> Page:
    row = ApiGateway.objects.get()
    options = {
        "way": way,
        "url": f"{row.api_endpoint}/{row.stage_name}",
        "api": f"{world.site.url}/{path}",
        "bearer": signing.dumps(world.user.pk),
    }
    page = context.new_page()
    page.goto(f"{app_site.url}/app/?options={quote(json.dumps(options))}")
    return page


@pytest.mark.parametrize("way", ["headers", "token"])
def test_an_app_of_another_origin_connects_with_its_bearer_token(
    spa: World, app_site: Site, way: str
) -> None:
    page = go(spa, app_site, spa.browser.new_context(), way)
    wait_for_state(page, "open")
    spa.cut_every_socket()

    assert page.evaluate("client.request('keep', { n: 1 }, { timeout: Infinity })") == {"kept": 1}
    assert {row.user for row in WebSocketSession.objects.all()} == {spa.user}


@pytest.mark.parametrize("way", ["headers", "token"])
def test_an_app_whose_bearer_token_has_expired_is_unauthorized_and_goes_on_with_a_new_one(
    spa: World, app_site: Site, way: str
) -> None:
    page = go(spa, app_site, spa.browser.new_context(), way)
    wait_for_state(page, "open")
    good = page.evaluate("bearer")
    page.evaluate("bearer = 'expired'")
    spa.cut_every_socket()
    wait_for_state(page, "closed: unauthorized")

    page.evaluate("good => { bearer = good; client.connect(); }", good)
    wait_for_state(page, "open")


def test_an_app_that_logs_in_as_another_user_without_a_word_to_the_client_is_told(
    spa: World, app_site: Site
) -> None:
    page = go(spa, app_site, spa.browser.new_context(), "headers")
    wait_for_state(page, "open")
    grace = User.objects.create_user("grace")

    page.evaluate("other => (bearer = other)", signing.dumps(grace.pk))
    spa.cut_every_socket()

    wait_for_state(page, "closed: user_changed")
    assert not WebSocketSession.objects.filter(user=grace).exists()


def test_retry_after_of_another_origin_is_obeyed(spa: World, app_site: Site, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "TOKEN_RATE_LIMIT_PER_MINUTE": 1}
    if (left := 60 - time.time() % 60) < 40:
        time.sleep(left + 1)  # else the next window, with another token, begins during the test
    page = go(spa, app_site, spa.browser.new_context(), "headers")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method) if "token" in request.url else None)
    wait_for_state(page, "open")
    asked.clear()
    spa.cut_every_socket()
    wait_for_state(page, "reconnecting: rate_limited")
    page.wait_for_timeout(2_000)  # many times the longest pause of its own

    assert asked.count("POST") == 1


def test_an_app_of_another_origin_connects_with_the_cookie_of_the_session(
    spa: World, app_site: Site, settings: Any
) -> None:
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.CSRF_TRUSTED_ORIGINS = [app_site.url]
    context = spa.context()
    context.add_cookies([{"name": "csrftoken", "value": "c" * 32, "url": spa.site.url}])

    page = go(spa, app_site, context, "cookie", "token/")

    wait_for_state(page, "open")


def test_an_origin_that_cors_does_not_allow_is_unreachable(spa: World, app_site: Site, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://elsewhere.example"]

    page = go(spa, app_site, spa.browser.new_context(), "headers")

    wait_for_state(page, "reconnecting: unreachable")
