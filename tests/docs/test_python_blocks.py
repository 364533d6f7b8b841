"""Every Python block of the pages compiles, imports what exists, and runs where it can run alone."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.http import HttpRequest
from django.urls import path

from tests.docs.pages import ROOT, Block, blocks, blocks_of
from tests.factories import ApiGatewayFactory, UserFactory, WebSocketSessionFactory
from websocket_gateway.models import WebSocketSession
from websocket_gateway.services.broadcasting import broadcast
from websocket_gateway.testing import record_connections
from websocket_gateway.testing.client import WebSocketClient
from websocket_gateway.testing.gateway import GatewayHandle
from websocket_gateway.views import WebSocketView

COMPILED_ONLY = {
    "browser_client.md": "renders a template of the sample project, whose own tests do",
    "cron.md": "is for Celery, or for django.tasks of Django 6",
    "tasks.md": "wants a queue with a worker: tests/services/test_task_queues.py",
    "tokens.md": "is for Django REST framework",
}
OPTIONAL = {"celery", "celery.schedules", "django.tasks"}


def code_of(block: Block) -> CodeType:
    code: CodeType = compile(block.text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


def is_test(block: Block) -> bool:
    return "def test_" in block.text or "pytest_plugins = " in block.text


PYTHON = blocks("python")
RUN = [item for item in PYTHON if item.page not in COMPILED_ONLY and not is_test(item)]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_it_compiles_and_what_it_imports_exists(block: Block) -> None:
    code_of(block)

    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module not in OPTIONAL:
            module = importlib.import_module(node.module)
            assert [item.name for item in node.names if not hasattr(module, item.name)] == []


def test_the_list_of_what_is_only_compiled_is_no_longer_than_it_must_be() -> None:
    assert set(COMPILED_ONLY) <= {block.page for block in PYTHON}
    assert len(RUN) > 10


@pytest.fixture
def world(db: None, django_local_gateway: GatewayHandle) -> Iterator[dict[str, Any]]:
    """What the pages take for granted: a gateway, two sockets in the lobby, a request, an order to save."""
    gateway = ApiGatewayFactory.create()
    user = UserFactory.create(username="ada", staff=True)
    session = WebSocketSessionFactory.create(
        api_gateway=gateway, user=user, channel_name="lobby", connection_id="abc="
    )
    request = HttpRequest()
    request.user = user
    with record_connections():
        yield {
            "WebSocketSession": WebSocketSession,
            "WebSocketView": WebSocketView,
            "broadcast": broadcast,
            "order": SimpleNamespace(pk=7, save=lambda: None),
            "path": path,
            "request": request,
            "session": session,
            "transaction": transaction,
        }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", sorted({block.page for block in RUN}))
def test_the_blocks_of_a_page_run_from_top_to_bottom(page: str, world: dict[str, Any]) -> None:
    for block in RUN:
        if block.page == page:
            execute(code_of(block), world)


def execute(code: CodeType, world: dict[str, Any]) -> None:
    if not code.co_flags & inspect.CO_COROUTINE:
        exec(code, world)  # noqa: S102 - our own pages
        return

    async def run() -> None:
        await eval(code, world)  # noqa: S307 - our own pages

    asyncio.run(run())


@pytest.mark.django_db
def test_the_view_of_the_guide_does_what_the_guide_says(
    world: dict[str, Any], ws_client: Callable[..., WebSocketClient]
) -> None:
    async def ask_the_weather() -> int:
        return 21

    names = world | {"ask_the_weather": ask_the_weather}
    execute(code_of(blocks_of("view.md", "python")[0]), names)
    client = ws_client(names["ChatView"])
    client.connect(user=world["request"].user, channel="lobby")

    client.send({"handler": "say", "text": "hello"})
    weather = client.send({"handler": "weather"}, reply_id="1")
    muted = client.send({"handler": "mute"}, reply_id="2")

    assert client.received == [{"from": "ada", "text": "hello"}]
    assert weather.json() == {"degrees": 21, "_ws": {"reply_to": "1"}}
    assert muted.json()["_ws"]["error"]["code"] == "permission_denied"


@pytest.mark.parametrize("page", sorted({block.page for block in PYTHON if is_test(block)}))
def test_the_tests_that_a_page_shows_pass(page: str, tmp_path: Path) -> None:
    shown = [block.text for block in blocks_of(page, "python") if is_test(block)]
    parts = [part for text in shown for part in text.split("\n\n\n")]
    plugins = [part for part in parts if "pytest_plugins" in part]
    tests = [part for part in parts if "pytest_plugins" not in part]
    (tmp_path / "conftest.py").write_text("\n".join(plugins))
    (tmp_path / "test_shown.py").write_text("\n\n".join([PREPARED, tour_view(), *tests]))

    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
            str(tmp_path),
        ],
        cwd=tmp_path,
        env=os.environ
        | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": str(ROOT),
            "WEBSOCKET_GATEWAY_TEST_DATABASE": "sqlite",
            "WEBSOCKET_GATEWAY_TEST_NAME": str(tmp_path / "shown.sqlite3"),
        },
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " passed" in ended.stdout


PREPARED = """
import pytest
from django.core.management import call_command
pytestmark = pytest.mark.django_db
"""


def tour_view() -> str:
    """The view that the README's tour writes, and the same under the name that the guides use."""
    (block,) = (item for item in blocks_of("README.md", "sh") if "class LobbyView" in item.text)
    source = block.text.partition("sockets.py <<'END'\n")[2].partition("\nEND\n")[0]
    return f"{source}\n\nChatView = LobbyView\n"
