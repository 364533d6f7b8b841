"""`recipe`: the project of the page that a module names in `PAGE`, served and ready to be opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.end_to_end.browsing import Site
from tests.end_to_end.recipes.served import Recipe, installed
from tests.end_to_end.recipes.written import write_project
from websocket_gateway.testing.gateway import local_gateway

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def recipe(
    request: pytest.FixtureRequest,
    transactional_db: None,
    database_beside_playwright: None,
    browser: Browser,
    settings: Any,
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Recipe]:
    folder = tmp_path / "recipe"
    folder.mkdir()
    write_project(f"recipes/{request.module.PAGE}", folder)
    with installed(folder, settings, monkeypatch), local_gateway(state=tmp_path / "state.json") as gateway:
        settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "ENDPOINT_URL": gateway.endpoint_url}
        with closing(Recipe(site, gateway, browser, folder)) as found:
            yield found
