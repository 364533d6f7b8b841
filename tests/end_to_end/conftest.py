"""Fixtures of the tests that drive a browser."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.browsing import DrivenWorld, Site, World
from tests.end_to_end.chromium import chromium
from tests.end_to_end.drivers import BROWSERS, start
from tests.end_to_end.drivers.interface import Driver
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway

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


@contextmanager
def served(site: Site, settings: Any, state: Path, options: dict[str, Any]) -> Iterator[GatewayHandle]:
    """A gateway that the site's project uses."""
    with local_gateway(state=state, **options) as gateway:
        settings.WEBSOCKET_GATEWAY = {
            "ENDPOINT_URL": gateway.endpoint_url,
            "ALLOWED_ORIGINS": [site.url],
            "TOKEN_RATE_LIMIT_PER_MINUTE": 10_000,
        }
        yield gateway


@pytest.fixture
def world(
    site: Site, browser: Browser, settings: Any, tmp_path: Path, gateway_options: dict[str, Any]
) -> Iterator[World]:
    with (
        served(site, settings, tmp_path / "gateway.json", gateway_options) as gateway,
        closing(World(site, gateway, browser)) as found,
    ):
        yield found


@pytest.fixture(scope="module", params=list(BROWSERS))
def driver(request: pytest.FixtureRequest, database_beside_playwright: None) -> Iterator[Driver]:
    """One after the other, each once for a module."""
    with start(request.param) as found:
        yield found


@pytest.fixture
def driven(
    site: Site, driver: Driver, settings: Any, tmp_path: Path, gateway_options: dict[str, Any]
) -> Iterator[DrivenWorld]:
    with (
        served(site, settings, tmp_path / "gateway.json", gateway_options) as gateway,
        closing(DrivenWorld(site, gateway, driver)) as found,
    ):
        yield found
