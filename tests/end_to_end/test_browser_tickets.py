"""The ticket board in Chromium: list, who looks at a ticket, notifications, progress."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.axe import Judge, needs_npm
from tests.end_to_end.chromium import chromium, in_chromium
from tests.support.untraced import untraced

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = in_chromium
PROJECT = Path(__file__).resolve().parents[2] / "sample_project" / "ticket_board"
CREATE_USERS = """
from django.contrib.auth.models import User
for name in ("ada", "grace"):
    User.objects.create_user(name, password="secret-1234")
"""


@dataclass(frozen=True)
class Board:
    address: str
    environment: dict[str, str]

    def manage(self, *words: str, text: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=PROJECT,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@contextmanager
def process(board: Board, *words: str) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "manage.py", *words],
        cwd=PROJECT,
        env=board.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        try:
            yield
        finally:
            running.terminate()


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    web, gateway = free_port(), free_port()
    address = f"http://127.0.0.1:{web}"
    own = ("AWS_", "DJANGO_", "SAMPLE_")
    environment = {name: value for name, value in untraced().items() if not name.startswith(own)} | {
        "BOARD_DATABASE": str(tmp_path_factory.mktemp("board") / "board.sqlite3"),
        "BOARD_GATEWAY_URL": f"http://127.0.0.1:{gateway}",
        "BOARD_ORIGIN": address,
        "PATH": os.environ["PATH"],
    }
    found = Board(address, environment)
    found.manage("migrate", "--verbosity", "0")
    found.manage("shell", "--command", CREATE_USERS)
    with (
        process(found, "run_local_gateway", "--port", str(gateway)),
        process(found, "runserver", str(web), "--noreload"),
    ):
        wait_for(web)
        wait_for(gateway)
        found.manage("create_gateway", "board", "--target", f"{address}/ws/", "--no-input")
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(autouse=True)
def closed_contexts(browser: Browser) -> Iterator[None]:
    yield
    for context in browser.contexts:
        context.close()


def enter(browser: Browser, board: Board, name: str, *, width: int = 1280) -> Page:
    page = browser.new_context(viewport={"width": width, "height": 800}).new_page()
    page.goto(board.address)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill("secret-1234")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Tickets").wait_for()
    return page


def add(page: Page, title: str) -> None:
    page.get_by_label("Title").fill(title)
    page.get_by_role("button", name="Add").click()
    page.get_by_role("link", name=title, exact=True).wait_for()


def test_a_ticket_that_one_adds_is_seen_by_the_other(browser: Browser, board: Board) -> None:
    ada, grace = enter(browser, board, "ada"), enter(browser, board, "grace", width=390)

    add(ada, "The printer is on fire")

    grace.get_by_role("link", name="The printer is on fire").wait_for()
    assert grace.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_title_is_text_and_not_html(browser: Browser, board: Board) -> None:
    ada, grace = enter(browser, board, "ada"), enter(browser, board, "grace")

    add(ada, "<img src=x onerror=alert(1)>")

    grace.get_by_text("<img src=x onerror=alert(1)>").wait_for()


def test_who_looks_at_a_ticket(browser: Browser, board: Board) -> None:
    ada, grace = enter(browser, board, "ada"), enter(browser, board, "grace")
    add(ada, "Who is looking")
    for page in (ada, grace):
        page.get_by_role("link", name="Who is looking").click()

    for page in (ada, grace):
        page.wait_for_function("viewers.textContent.split(', ').sort().join() === 'ada,grace'")

    grace.get_by_role("link", name="Tickets").click()
    # A page that is loaded again would be back by then.
    ada.wait_for_function("viewers.textContent === 'ada'", timeout=30_000)


def test_a_notification_waits_for_its_user(browser: Browser, board: Board) -> None:
    ada = enter(browser, board, "ada")
    add(ada, "For grace")
    ada.get_by_role("link", name="For grace").click()
    ada.get_by_label("Assignee").select_option("grace")
    ada.get_by_role("button", name="Assign").click()
    ada.get_by_text("For grace grace").wait_for()

    grace = enter(browser, board, "grace")

    grace.get_by_text("From ada: For grace").wait_for()
    grace.wait_for_function("unread.textContent === '0'")
    grace.reload()
    grace.wait_for_function("unread.textContent === '0'")
    assert grace.get_by_text("From ada: For grace").count() == 0


def test_an_import_shows_its_progress(browser: Browser, board: Board) -> None:
    ada = enter(browser, board, "ada")
    ada.evaluate(
        "window.values = []; new MutationObserver(() => values.push(progress.value))"
        ".observe(progress, { attributes: true })"
    )

    board.manage("import_tickets", text="One\nTwo\nThree\nFour\n")

    ada.get_by_role("link", name="Four").wait_for()
    ada.wait_for_function("progress.hidden")
    assert [value for value in (0.25, 0.5, 0.75) if value not in ada.evaluate("values")] == []


@needs_npm
def test_no_page_of_the_board_has_a_serious_finding(browser: Browser, board: Board) -> None:
    page = browser.new_context().new_page()
    judge = Judge(page)
    page.goto(board.address)
    judge.look("board-login")
    ada = enter(browser, board, "ada")
    judge.page = ada
    add(ada, "A door that does not close")
    judge.look("board-list")
    ada.get_by_role("link", name="A door that does not close").click()
    ada.wait_for_function("viewers.textContent === 'ada'")
    judge.look("board-ticket")

    assert not judge.faults, "\n".join(judge.faults)
