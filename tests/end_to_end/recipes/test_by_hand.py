"""The live list as a reader makes it: `startproject`, the blocks, the commands, the admin in a second tab."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import blocks_of
from tests.docs.projects import Project, first_line
from tests.end_to_end.browsing import PATIENCE_MS
from tests.end_to_end.chromium import in_chromium
from tests.end_to_end.recipes.served import wait_until_live
from tests.end_to_end.recipes.written import write_files

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = in_chromium
MADE, STARTED = (block.text.splitlines() for block in blocks_of("recipes/index.md", "sh"))
SUPERUSER = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
    "DJANGO_SUPERUSER_PASSWORD": "secret-1234",
}
SAYS = {"run_local_gateway": "Local gateway at", "runserver": "Quit the server"}
"""What a server prints when it is ready."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of the project; its commands are those of the page, with other ports and without questions."""
    project = Project(tmp_path)
    project.port, web = free_port(), free_port()
    project.environment |= SUPERUSER
    install, *make = MADE
    assert install.startswith("pip install")
    assert project.type("\n".join(make)) == (0, "")
    write_files("recipes/live_list.md", tmp_path)
    settings = tmp_path / "project" / "settings.py"
    settings.write_text(settings.read_text().replace("9000", str(project.port)))
    with ExitStack() as servers:
        for line in STARTED:
            typed = line.replace("8000", str(web)).replace("createsuperuser", "createsuperuser --noinput")
            if typed.endswith("&"):
                words = shlex.split(typed.rstrip("& "))[2:]
                more = [str(web), "--noreload"] if words[0] == "runserver" else ["--port", str(project.port)]
                first_line(servers.enter_context(project.running(*words, *more)), SAYS[words[0]])
            else:
                status, printed = project.type(typed)
                assert status == 0, printed
        yield f"http://127.0.0.1:{web}/"


def test_the_commands_of_the_page_make_a_list_that_is_live(address: str, browser: Browser) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("secret-1234")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Orders").wait_for()
    wait_until_live(page)

    admin = page.context.new_page()
    admin.goto(f"{address}admin/orders/order/add/")
    admin.get_by_label("Item:", exact=True).fill("Tea")
    admin.get_by_role("button", name="Save", exact=True).click()

    page.locator("#orders").get_by_text("Tea").wait_for()
    page.context.close()
