"""Draws the pictures of the chat and of the tutorial: `make pictures`. Two users, really connected."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.end_to_end.chromium import chromium
from tests.end_to_end.sample import Chat, running_chat
from tests.end_to_end.test_browser_chat import enter, line, say
from tests.end_to_end.test_browser_tutorial import walk

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = Path(__file__).resolve().parents[2] / "management_docs" / "images"
FRAME = """<body style="margin:0;padding:24px;display:flex;gap:24px;background:#0f766e">
<img style="border-radius:12px" src="data:image/png;base64,{}">
<img style="border-radius:12px" src="data:image/png;base64,{}">"""
SAID = [
    ("ada", "The gateway is up. Who reads this?"),
    ("grace", "I do, from a phone in the train."),
    ("ada", "And after the tunnel?"),
    ("grace", "Reconnected by itself. Nothing was lost."),
]


def main() -> None:
    """Draw them."""
    with (
        TemporaryDirectory() as folder,
        running_chat(Path(folder) / "sample.sqlite3") as chat,
        chromium() as browser,
    ):
        (IMAGES / "chat.png").write_bytes(_side_by_side(browser, *_talk(browser, chat)))
    with TemporaryDirectory() as folder, chromium() as browser, walk(Path(folder), browser) as windows:
        shown = [window.screenshot() for window in windows]
        (IMAGES / "tutorial.png").write_bytes(_side_by_side(browser, *shown, width=2 * 560, height=400))


def _talk(browser: Browser, chat: Chat) -> tuple[bytes, bytes]:
    pages = {"ada": enter(browser, chat, "ada", width=860), "grace": enter(browser, chat, "grace", width=390)}
    for name, text in SAID:
        say(pages[name], text)
        for page in pages.values():
            line(page, text)
    pages["grace"].get_by_label("Message", exact=True).press_sequentially("Look")
    pages["ada"].get_by_text("grace is typing").wait_for()
    for page in pages.values():
        page.set_viewport_size({"width": page.evaluate("innerWidth"), "height": 640})
        page.get_by_text(SAID[-1][1], exact=True).scroll_into_view_if_needed()
    return pages["ada"].screenshot(), pages["grace"].screenshot()


def _side_by_side(browser: Browser, *pictures: bytes, width: int = 860 + 390, height: int = 640) -> bytes:
    page = browser.new_page(viewport={"width": width + 3 * 24, "height": height + 2 * 24})
    page.set_content(FRAME.format(*(b64encode(picture).decode() for picture in pictures)))
    return page.screenshot()


if __name__ == "__main__":
    main()
