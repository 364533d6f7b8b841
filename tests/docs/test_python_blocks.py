"""Every Python block of the pages compiles, imports what exists, and runs where it can run alone."""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from tests.docs.conftest import Kept
from tests.docs.pages import ROOT, Block, blocks, blocks_of
from tests.end_to_end.tutorial import is_file
from websocket_gateway.models import BroadcastRun
from websocket_gateway.testing.client import WebSocketClient

COMPILED_ONLY = {
    "tutorial": "a file of the tutorial, which tests/end_to_end/test_browser_tutorial.py follows",
    "celery": "typed into a project by tests/sending/test_celery.py",
    "project": "a file of that project",
    "django_rq": "likewise",
    "sentry_sdk": "it patches Django in the whole process",
    "opentelemetry": "it sets the provider of the whole process; tests/docs/test_monitoring.py runs it",
}
FRAMEWORK = "django.tasks" if find_spec("django.tasks") else "django_tasks"


def code_of(block: Block) -> CodeType:
    # As the page itself tells those who have an older Django.
    text = block.text.replace("from django.tasks import", f"from {FRAMEWORK} import")
    code: CodeType = compile(text, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return code


def imports_of(block: Block) -> dict[str, list[str]]:
    nodes = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.ImportFrom)]
    found = {node.module: [item.name for item in node.names] for node in nodes if node.module}
    return {FRAMEWORK if name == "django.tasks" else name: items for name, items in found.items()}


def only_compiles(block: Block) -> bool:
    plain = [node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Import)]
    modules = [*imports_of(block), *(item.name for node in plain for item in node.names)]
    return is_file(block) or any(module.partition(".")[0] in COMPILED_ONLY for module in modules)


def is_test(block: Block) -> bool:
    return "def test_" in block.text or "pytest_plugins = " in block.text


PYTHON = [block for block in blocks("python") if not block.page.startswith("recipes/")]
"""Those of a recipe are run as a project by tests/end_to_end/recipes."""
RUN = [block for block in PYTHON if not is_test(block) and not only_compiles(block)]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_it_compiles_and_what_it_imports_exists(block: Block) -> None:
    code_of(block)

    for module, imported in imports_of(block).items():
        if module.partition(".")[0] not in COMPILED_ONLY:
            found = importlib.import_module(module)
            assert [name for name in imported if not hasattr(found, name)] == []


def test_only_what_is_for_another_project_is_not_run() -> None:
    left_out = [str(block) for block in PYTHON if only_compiles(block)]

    assert len(left_out) == 12
    assert len(RUN) > 20


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("page", sorted({block.page for block in RUN}))
def test_the_blocks_of_a_page_run_from_top_to_bottom(page: str, world: dict[str, Any]) -> None:
    run_page(page, world)


def run_page(page: str, world: dict[str, Any]) -> None:
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


@pytest.mark.django_db(transaction=True)
def test_a_native_client_gets_a_token_and_is_told_when_to_come_again(world: dict[str, Any]) -> None:
    run_page("tokens.md", world)

    answers = [world["socket_token"](world["request"])]
    while answers[-1].status == 200:
        answers.append(world["socket_token"](world["request"]))

    *good, refused = answers
    assert 60 <= len(good) <= 120  # the minute may end meanwhile
    assert {len(answer.data["token"]) for answer in good} == {43}
    assert (refused.status, [*refused.headers]) == (429, ["Retry-After"])


@pytest.mark.django_db(transaction=True)
def test_a_fragment_is_what_a_template_makes(world: dict[str, Any]) -> None:
    run_page("browser_client.md", world)

    (frame,) = world["connections"].messages_to("abc=")
    assert frame.pop("_ws") == {"channel": "lobby"}
    assert frame == {"type": "fragment", "target": "notices", "html": "<li>&lt;b&gt;</li>"}


@pytest.mark.django_db(transaction=True)
def test_every_message_of_the_page_on_sending_reaches_the_session(world: dict[str, Any]) -> None:
    run_page("sending.md", world)

    sent = world["connections"].messages_to("abc=")
    assert len(sent) >= 9
    assert all(message.pop("_ws", {"channel": "lobby"})["channel"] for message in sent)
    assert all(message in ({"text": "hello"}, {"order": 7}) for message in sent)


@pytest.mark.django_db(transaction=True)
def test_an_enqueued_broadcast_is_saved_and_handed_to_the_queue(world: dict[str, Any]) -> None:
    Kept.tasks.clear()

    run_page("tasks.md", world)

    assert BroadcastRun.objects.get().channel_name == "lobby"
    assert len(Kept.tasks) == 1


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

    assert client.received == [{"from": "ada", "text": "hello", "_ws": {"channel": "lobby"}}]
    assert weather.json() == {"degrees": 21, "_ws": {"reply_to": "1"}}
    assert muted.json()["_ws"]["error"]["code"] == "permission_denied"


def test_the_tests_that_the_pages_show_pass(tmp_path: Path) -> None:
    plugins, shown = [], 0
    for page in sorted({block.page for block in PYTHON if is_test(block)}):
        texts = [block.text for block in blocks_of(page, "python") if is_test(block)]
        parts = [part for text in texts for part in text.split("\n\n\n")]
        tests = [part for part in parts if "pytest_plugins" not in part]
        own = re.findall(r'"(websocket_gateway\.testing\.\w+)"', "".join(set(parts) - set(tests)))
        assert own, f"{page} does not say where its fixtures come from"
        plugins += own
        file = tmp_path / f"test_{page.removesuffix('.md').lower()}.py"
        file.write_text("\n\n".join([PREPARED, tour_view(), *tests]))
        shown += sum(text.count("def test_") for text in tests)
    (tmp_path / "conftest.py").write_text(f"pytest_plugins = {sorted(set(plugins))}")

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", "."],
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
    assert f"{shown} passed" in ended.stdout
    assert shown >= 3


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
