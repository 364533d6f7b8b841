"""axe-core, from npm, and what else each page must show at both widths and in both themes.

With `WEBSOCKET_GATEWAY_TEST_SCREENSHOTS=DIRECTORY` each page is kept as a picture.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

Look = tuple[int, Literal["light", "dark"]]
WIDE, NARROW = 1280, 390
EVERY_LOOK: tuple[Look, ...] = tuple(product((WIDE, NARROW), ("light", "dark")))
PICTURES = os.environ.get("WEBSOCKET_GATEWAY_TEST_SCREENSHOTS", "")
PACKAGE = "axe-core@4.14.1"
FOLDER = Path(__file__).resolve().parents[2] / "build" / PACKAGE
RUN = """async ([selector, rules]) =>
  (await axe.run(document.querySelector(selector), { resultTypes: ["violations"], rules })).violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 4).map((one) => one.html).join(" | ")}`)"""
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"

needs_npm = pytest.mark.skipif(shutil.which("npm") is None, reason="axe-core comes from npm")


@cache
def axe_core() -> str:
    """The text of axe-core."""
    file = FOLDER / "node_modules/axe-core/axe.min.js"
    if not file.exists():
        command = ["npm", "install", "--silent", "--no-save", "--prefix", str(FOLDER), PACKAGE]
        subprocess.run(command, check=True, timeout=300)
    return file.read_text()


class Judge:
    """Looks at the page that is open: errors of scripts, width, serious findings of axe-core."""

    def __init__(self, page: Page, *, inside: str = "body") -> None:
        self.page, self.inside = page, inside
        self.left_out: tuple[str, ...] = ()
        """Rules of axe-core that other pages have shown."""
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))

    def look(self, name: str, looks: tuple[Look, ...] = EVERY_LOOK) -> None:
        page = self.page
        page.locator(self.inside).wait_for()
        # Links and buttons may change their colours slowly, whatever `reduced_motion` says.
        page.add_style_tag(content="*, *::before, *::after { transition: none !important }")
        page.evaluate(f"() => {{ if (!window.axe) {{ const run = new Function({axe_core()!r}); run(); }} }}")
        for width, scheme in looks:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.set_viewport_size({"width": width, "height": 900})
            page.evaluate(DRAWN)
            where = f"{name} at {width}, {scheme}"
            self.faults += [f"{where}: {found}" for found in self.found(width)]
            if PICTURES:
                page.screenshot(path=f"{PICTURES}/{name}-{width}-{scheme}.png", full_page=True)
        page.set_viewport_size({"width": WIDE, "height": 900})

    def found(self, width: int) -> list[str]:
        """What is wrong as the page is now."""
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        too_wide = [f"{wide} pixels wide"] if wide > width else []
        rules = {rule: {"enabled": False} for rule in self.left_out}
        return [*too_wide, *self.page.evaluate(RUN, [self.inside, rules])]
