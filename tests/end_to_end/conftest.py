"""Fixtures of the tests that drive a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.browsing import Site, World
from tests.end_to_end.chromium import chromium
from websocket_gateway.testing.gateway import local_gateway

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def database_beside_playwright() -> Iterator[None]:
    """Playwright runs an event loop in this thread, in which Django would not touch a database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    found.stop()


@pytest.fixture
def gateway_options() -> dict[str, Any]:
    """Options of the gateway; parametrize it to change them."""
    return {}


@pytest.fixture
def world(
    site: Site, browser: Browser, settings: Any, tmp_path: Path, gateway_options: dict[str, Any]
) -> Iterator[World]:
    with local_gateway(state=tmp_path / "gateway.json", **gateway_options) as gateway:
        settings.WEBSOCKET_GATEWAY = {
            "ENDPOINT_URL": gateway.endpoint_url,
            "ALLOWED_ORIGINS": [site.url],
            "TOKEN_RATE_LIMIT_PER_MINUTE": 10_000,
        }
        world = World(site, gateway, browser)
        yield world
        for context in browser.contexts:
            context.close()
        world.management.close()
