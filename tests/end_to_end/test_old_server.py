"""The client of now with a server of before channels had a history, which is installed from a wheel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.chromium import chromium
from tests.end_to_end.sample import ANY_PORTS, PEOPLE, Chat, environment, wait_for_chat
from tests.support.building import ROOT, build_from
from tests.support.installing import SELECTED

pytestmark = SELECTED
BEFORE = "09f388a"
CLIENT = ROOT / "websocket_gateway/static/websocket_gateway/client.js"


def checked_out(target: Path) -> Path:
    """The tree of that commit."""
    target.mkdir()
    archive = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"the history of this checkout does not reach back to {BEFORE}")
    subprocess.run(["tar", "x", "-C", str(target)], input=archive.stdout, check=True)
    return target


def test_chat_of_the_old_server_works_with_the_new_client(tmp_path: Path) -> None:
    tree = checked_out(tmp_path / "tree")
    wheel = build_from(tree, "wheel", tmp_path)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv/bin/python"
    subprocess.run([str(python), "-m", "pip", "install", "-qq", f"{wheel}[local]"], check=True)
    database, manage = tmp_path / "sample.sqlite3", tree / "sample_project/manage.py"
    (tree / "websocket_gateway").rename(tmp_path / "unused")  # the wheel's is meant
    words = {"cwd": tmp_path, "env": environment(database), "text": True}
    subprocess.run([str(python), str(manage), "migrate", "--verbosity", "0"], check=True, **words)  # type: ignore[call-overload]
    with subprocess.Popen(  # type: ignore[call-overload]
        [str(python), str(manage), "demo", *ANY_PORTS],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **words,
    ) as demo:
        try:
            talk(Chat(wait_for_chat(demo)[0], database))
        finally:
            demo.terminate()
            demo.communicate(timeout=30)


def talk(chat: Chat) -> None:
    """Both say something, before and after a cut, and each is read once in this room and in the next."""
    with chromium() as browser:
        pages = []
        for name, password in PEOPLE.items():
            context = browser.new_context()
            context.route("**/websocket_gateway/client.js", lambda route: route.fulfill(path=CLIENT))
            page = context.new_page()
            page.goto(f"{chat.address}/login/")
            page.fill("#id_username", name)
            page.fill("#id_password", password)
            page.click("button.primary")
            page.wait_for_selector("#state[data-state=open]")
            pages.append(page)
        ada, grace = pages
        for text in ("before the cut", "after the cut"):
            for page in pages:
                page.wait_for_selector("#state[data-state=open]")
            ada.fill("#text", text)
            ada.click("#send")
            grace.get_by_text(text, exact=True).wait_for()
            assert grace.get_by_text(text, exact=True).count() == 1
            chat.cut_every_socket()
            ada.wait_for_timeout(1_500)
        for page in pages:
            page.wait_for_selector("#state[data-state=open]")
        grace.click("[data-room=kitchen]")
        grace.wait_for_url("**/rooms/kitchen/")
        grace.wait_for_selector("#state[data-state=open]")
        grace.fill("#text", "Coffee?")
        grace.click("#send")
        ada.wait_for_selector("[data-room=kitchen] .unread:not([hidden])")
        assert ada.inner_text("[data-room=kitchen] .unread") == "1"
