"""A recipe that is served by this process, and the browsers of its users."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, models
from django.urls import clear_url_caches

from tests.end_to_end.browsing import PATIENCE_MS, Site, World
from websocket_gateway.testing.gateway import GatewayHandle

if TYPE_CHECKING:
    import pytest
    from playwright.sync_api import Browser, Page

KEPT = {"DATABASES", "PASSWORD_HASHERS", "SECRET_KEY", "WSGI_APPLICATION"}
"""Settings of the test suite that a recipe does not change."""


class Recipe(World):
    """The world of a recipe: its files are in `folder`."""

    create_options = ()

    def __init__(self, site: Site, gateway: GatewayHandle, browser: Browser, folder: Path) -> None:
        super().__init__(site, gateway, browser)
        self.folder = folder

    def enter(self, name: str = "ada", path: str = "/", *, width: int = 1280) -> Page:
        """The page in a browser of this user, once it is connected."""
        user = User.objects.filter(username=name).first() or User.objects.create_user(name)
        context = self.browser.new_context(viewport={"width": width, "height": 700})
        context.set_default_timeout(PATIENCE_MS)
        self.log_in(context, user)
        return self.visit(context.new_page(), path)

    def visit(self, page: Page, path: str = "/") -> Page:
        """Another address in the same tab, once it is connected."""
        page.goto(f"{self.site.url}{path}")
        wait_until_live(page)
        return page


def wait_until_live(page: Page) -> None:
    page.locator("body[data-state=open]").wait_for()


@contextmanager
def installed(folder: Path, settings: Any, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The project in this folder is the one that Django serves: its settings, apps, tables and addresses."""
    patch.syspath_prepend(str(folder))
    before = set(sys.modules)
    adopt_settings(folder / "project" / "settings.py", settings)
    made = models_without_tables()
    with connection.schema_editor() as editor:
        for model in made:
            editor.create_model(model)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            for model in reversed(made):
                editor.delete_model(model)
        forget(made, set(sys.modules) - before, folder)


def adopt_settings(file: Path, settings: Any) -> None:
    names: dict[str, Any] = {"__file__": str(file)}
    exec(compile(file.read_text(), str(file), "exec"), names)
    for name, value in names.items():
        if name.isupper() and name not in KEPT:
            setattr(settings, name, value)


def models_without_tables() -> list[type[models.Model]]:
    """Those of the recipe, and of the apps that it adds."""
    there = set(connection.introspection.table_names())
    found = [model for model in apps.get_models() if model._meta.managed and not model._meta.proxy]
    return [model for model in found if model._meta.db_table not in there]


def forget(made: list[type[models.Model]], modules: set[str], folder: Path) -> None:
    """Another recipe has another `project.urls`, and may have a model of the same name."""
    for model in made:
        admin.site._registry.pop(model, None)
        if is_within(folder, model.__module__):
            apps.all_models.pop(model._meta.app_label, None)
        for signal in (models.signals.post_save, models.signals.post_delete):
            drop_receivers(signal, model)
    for name in modules:
        if is_within(folder, name):
            del sys.modules[name]
    importlib.invalidate_caches()
    clear_url_caches()


def is_within(folder: Path, module: str) -> bool:
    origin = getattr(sys.modules[module], "__file__", None)
    return bool(origin) and Path(str(origin)).is_relative_to(folder)


def drop_receivers(signal: models.signals.ModelSignal, sender: type[models.Model]) -> None:
    signal.receivers = [item for item in signal.receivers or [] if item[0][1] != id(sender)]
    signal.sender_receivers_cache.clear()
