"""The documentation as a site, in a real Chromium: every page at two widths, light and dark."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.axe import EVERY_LOOK, NARROW, WIDE, Judge, Look, needs_npm
from tests.end_to_end.chromium import in_chromium
from tests.support.untraced import untraced

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    *in_chromium,
    needs_npm,
    pytest.mark.skipif(importlib.util.find_spec("sphinx") is None, reason="Sphinx comes with the extra docs"),
]
ROOT = Path(__file__).resolve().parents[2]
LOOKS: tuple[Look, ...] = (WIDE, "light"), (NARROW, "dark")
COLOURFUL = "index", "tutorial", "models", "browser_client"
"""Pages with all that has a colour: code in each language, tables, notes, signatures."""
MADE_BY_SPHINX = "genindex.html", "search.html", "py-modindex.html"


@pytest.fixture(scope="module")
def site() -> Path:
    """What `make docs` builds. Every page is written anew, but only what has changed since is read."""
    folder = ROOT / "build" / "docs"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-a", "-b", "html", "management_docs", str(folder)]
    subprocess.run(command, cwd=ROOT, env=untraced(), check=True, timeout=300)
    return folder


def test_no_page_of_the_site_has_a_serious_finding_or_is_wider_than_the_window(
    browser: Browser, site: Path
) -> None:
    names = [path.stem for path in sorted((ROOT / "management_docs").rglob("*.md"))]
    judge = Judge(browser.new_context().new_page())
    paths = [path for path in sorted(site.rglob("*.html")) if path.name not in MADE_BY_SPHINX]
    assert {path.stem for path in paths} >= set(names)

    for name in COLOURFUL:
        judge.page.goto((site / f"{name}.html").as_uri())
        judge.look(name, EVERY_LOOK)
    # What is around the text is the same on all pages, and so are the colours.
    judge.inside, judge.left_out = "article", ("color-contrast",)
    for path in paths:
        judge.page.goto(path.as_uri())
        judge.look("-".join(path.relative_to(site).with_suffix("").parts), LOOKS)

    assert not judge.faults, "\n".join(judge.faults)
