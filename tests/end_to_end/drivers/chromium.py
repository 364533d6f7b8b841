"""Chromium, by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.end_to_end.chromium import PROGRAM, chromium
from tests.end_to_end.drivers.interface import Driver, DriverError, Profile, Tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

__all__ = ["PROGRAM", "start"]


class ChromiumTab(Tab):
    """A page of Playwright's."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def go(self, url: str) -> None:
        self.page.goto(url)

    def close(self) -> None:
        self.page.close(run_before_unload=True)

    def run(self, script: str) -> Any:
        from playwright.sync_api import Error

        try:
            return self.page.evaluate(script)
        except Error as exc:
            raise DriverError(exc.message) from None


class ChromiumProfile(Profile):
    """A context of Playwright's."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context

    def open(self, url: str) -> Tab:
        tab = ChromiumTab(self.context.new_page())
        tab.go(url)
        return tab

    def close(self) -> None:
        self.context.close()


class Chromium(Driver):
    """What Playwright has started."""

    name = "chromium"

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.version = browser.version

    def profile(self) -> Profile:
        return ChromiumProfile(self.browser.new_context())


@contextmanager
def start() -> Iterator[Driver]:
    """It keeps pages in its cache for Back and Forward."""
    with chromium(keeps_pages=True) as browser:
        yield Chromium(browser)
