"""The tutorial from its first line to its last, in real terminals and in two windows of Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.end_to_end.chromium import chromium, in_chromium
from tests.end_to_end.tutorial import expected_texts, messages, say, started

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = in_chromium
BEFORE = ["ada: Good morning, grace", "grace: Good morning", "manage.py: Hello, both of you"]
LATE = "manage.py: Sent during the cut"


@contextmanager
def walk(folder: Path, browser: Browser) -> Iterator[list[Page]]:
    """Follow the page to its end; both windows as they are then."""
    with started(folder) as tutorial:
        for number in range(1, 8):
            tutorial.follow(number)
        windows = [tutorial.log_in(browser, name) for name in ("ada", "grace")]
        for number, (window, line) in enumerate(zip(windows, BEFORE, strict=False), 1):
            say(window, line.partition(": ")[2])
            assert [messages(each, number) for each in windows] == [BEFORE[:number]] * 2
        tutorial.follow(8)
        assert [messages(each, 3) for each in windows] == [BEFORE] * 2

        tutorial.second.press_ctrl_c()
        for window in windows:
            window.get_by_text("The connection is reconnecting.").wait_for()
        tutorial.follow(9, slice(0, 2))
        assert [messages(each, 3) for each in windows] == [BEFORE] * 2
        tutorial.follow(9, slice(2, None))
        for window in windows:
            window.get_by_text("The connection is open.").wait_for()

        assert [messages(each, 4) for each in windows] == [[*BEFORE, LATE]] * 2
        assert tutorial.seen == expected_texts()
        yield windows


def test_the_tutorial_ends_with_a_message_that_survived_a_cut(tmp_path: Path) -> None:
    with chromium() as browser, walk(tmp_path, browser) as windows:
        for window in windows:
            window.reload()
            window.get_by_text("The connection is open.").wait_for()

            assert messages(window, 4) == [*BEFORE, LATE]
