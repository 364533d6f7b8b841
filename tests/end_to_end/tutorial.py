"""The tutorial as a reader follows it: files are saved, commands typed in three terminals, windows opened."""

from __future__ import annotations

import os
import re
import socket
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.docs.pages import Block, blocks, read
from tests.end_to_end.terminals import Terminal, terminals

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGE = "tutorial.md"
INSTALL = "pip install 'django-websocket-gateway[local]'"
PASSWORD = "lobby-1234"  # noqa: S105 - it stands in the page
COMMENT = re.compile(r"^(?:#|//|\{#) (?P<file>tutorial/\S+)(?: #\})?\n")
UNWANTED = ("AWS_", "DJANGO_", "COVERAGE", "PYTHON", "VIRTUAL_ENV", "WEBSOCKET_GATEWAY_")
PATIENCE_MS = 60_000


def is_file(block: Block) -> bool:
    """Whether the block is a file that the reader saves."""
    return block.page == PAGE and COMMENT.match(block.text) is not None


def sections() -> dict[int, list[Block]]:
    """The blocks of each numbered section."""
    headings = {
        line: int(found[1])
        for line, text in enumerate(read(PAGE).splitlines(), 1)
        if (found := re.match(r"## (\d+)\. ", text))
    }
    numbered: dict[int, list[Block]] = {number: [] for number in headings.values()}
    for block in blocks("sh", "text", "python", "django", "js"):
        before = [line for line in headings if line < block.line]
        if block.page == PAGE and before:
            numbered[headings[max(before)]].append(block)
    return numbered


def expected_texts() -> list[str]:
    """What the page says is printed, of all sections."""
    return [block.text for found in sections().values() for block in found if block.language == "text"]


class Tutorial:
    """One walk through the page."""

    def __init__(self, folder: Path, opened: list[Terminal]) -> None:
        self._folder = folder
        self.first, self.second, self.third = opened
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            self._gateway, self._web = one.getsockname()[1], two.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._web}/"
        self.seen: list[str] = []
        """What the page says is printed, and was."""
        self._last = self.first

    def follow(self, number: int, blocks_of_it: slice = slice(None)) -> None:
        """Do what the blocks of a section say, in their order."""
        for block in sections()[number][blocks_of_it]:
            text = self._ported(block.text)
            if is_file(block):
                self._save(text)
            elif block.language == "text":
                for line in text.splitlines():
                    self._last.wait_for(line)
                self.seen.append(block.text)
            else:
                self._type(text)

    def log_in(self, browser: Browser, name: str, *, width: int = 560) -> Page:
        """A window of its own in which a user has opened the page, and is connected."""
        page = browser.new_context(viewport={"width": width, "height": 400}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(self.address)
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_text(f"You are {name}. The connection is open.").wait_for()
        return page

    def _save(self, text: str) -> None:
        named = COMMENT.match(text)
        assert named
        file = self._folder / named["file"]
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a" if file.name == "settings.py" else "w") as opened:
            opened.write(text)

    def _type(self, text: str) -> None:
        if "runserver" in text:
            self._last = self.third
            self.third.type(text)
        elif "run_local_gateway" in text:
            self._last = self.second
            self.second.type(text)
        else:
            self._last = self.first
            self.first.run(text)

    def _ported(self, text: str) -> str:
        """The text with free ports, and with the checkout in place of the package on PyPI."""
        text = text.replace("9000", str(self._gateway)).replace("8000", str(self._web))
        text = text.replace("run_local_gateway", f"run_local_gateway --port {self._gateway}")
        text = text.replace("runserver", f"runserver {self._web}")
        installed = sysconfig.get_path("purelib")
        checkout = f"import site; site.addsitedir('{installed}')"
        file = "$(echo venv/lib/python*/site-packages)/checkout.pth"
        return text.replace(INSTALL, f'echo "{checkout}" > {file}')


def say(page: Page, text: str) -> None:
    """Say something in a window."""
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Say").click()


def messages(page: Page, number: int) -> list[str]:
    """What a window shows, once it shows so many messages."""
    page.locator("li").nth(number - 1).wait_for()
    return page.locator("li").all_inner_texts()


@contextmanager
def started(folder: Path) -> Iterator[Tutorial]:
    """A tutorial in an empty directory."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
    environment = kept | {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"}
    with ExitStack() as stack:
        yield Tutorial(folder, stack.enter_context(terminals(3, folder, environment)))
