"""The mark of tests that drive browsers, selected by `WEBSOCKET_GATEWAY_TEST_BROWSER=1`; and a Chromium.

`WEBSOCKET_GATEWAY_TEST_CHROMIUM` is the program.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

in_browsers = [
    pytest.mark.browser,
    pytest.mark.skipif(
        os.environ.get("WEBSOCKET_GATEWAY_TEST_BROWSER") != "1",
        reason="drives real browsers; set WEBSOCKET_GATEWAY_TEST_BROWSER=1",
    ),
]
in_chromium = in_browsers
PROGRAM = os.environ.get("WEBSOCKET_GATEWAY_TEST_CHROMIUM") or "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium(*, keeps_pages: bool = False) -> Iterator[Browser]:
    """A browser for the length of a `with` block; `keeps_pages` in its cache for Back and Forward."""
    from playwright.sync_api import sync_playwright

    if not Path(PROGRAM).exists():
        pytest.fail(f"There is no Chromium at {PROGRAM}: set WEBSOCKET_GATEWAY_TEST_CHROMIUM.")
    with sync_playwright() as playwright:
        switched_off = ["--disable-back-forward-cache"] if keeps_pages else []
        launched = playwright.chromium.launch(
            executable_path=PROGRAM, args=FLAGS, ignore_default_args=switched_off
        )
        yield launched
        launched.close()
