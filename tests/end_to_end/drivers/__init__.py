"""One small interface to three browsers, so that one test runs in all of them.

`start(NAME)` gives a `Driver`; each `Profile` of it has cookies and storage of its own, as a person has, and
`Tab`s. A tab runs JavaScript in its page and waits for it: clicks and keys are made in the page, too.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.end_to_end.drivers import chromium, firefox, webkit
from tests.end_to_end.drivers.interface import Driver

BROWSERS: dict[str, tuple[list[str], Callable[[], AbstractContextManager[Driver]]]] = {
    "chromium": ([chromium.PROGRAM], chromium.start),
    "firefox": ([firefox.PROGRAM], firefox.start),
    "webkit": ([webkit.PROGRAM, "Xvfb"], webkit.start),
}
"""The programs that each needs, and what starts it."""


@contextmanager
def start(name: str) -> Iterator[Driver]:
    """The browser for the length of a `with` block; skips where it is not installed, and says which.

    With `WEBSOCKET_GATEWAY_TEST_EVERY_BROWSER=1` a browser that is missing is a failure.
    """
    programs, started = BROWSERS[name]
    if missing := [program for program in programs if shutil.which(program) is None]:
        wanted = os.environ.get("WEBSOCKET_GATEWAY_TEST_EVERY_BROWSER") == "1"
        (pytest.fail if wanted else pytest.skip)(f"{name}: there is no {missing[0]}; see CONTRIBUTING.md")
    with started() as driver:
        yield driver
