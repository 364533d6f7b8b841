"""The exit code of every command, as its page says it: done, failed, wrong usage, a name that nothing has."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
from django.core.management import execute_from_command_line, get_commands

from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db(transaction=True)

CASES: list[tuple[int, str, str]] = [
    # status, command line, a part of what is said
    (0, "create_gateway", "Nothing to do"),
    (2, "create_gateway nowhere", "--target"),
    (2, "create_gateway chat --stage a.b", "is not a stage name"),
    (2, "create_gateway other --target http://[::1", "is not an http:// or https:// URL"),
    (0, "sync_routes", "Nothing to do"),
    (0, "sync_routes --check", "Nothing to do"),
    (2, "sync_routes nowhere", "'nowhere'"),
    (2, "sync_routes chat nowhere --format json", "'nowhere'"),
    (2, "sync_routes --rotate-secret", "needs the NAME"),
    (2, "sync_routes --check --dry-run", "not allowed with"),
    (0, "delete_gateway nowhere --no-input", "Nothing to do"),
    (0, "delete_gateway chat --dry-run", "Would delete api"),
    (1, "delete_gateway chat", "There is no terminal"),
    (2, "delete_gateway", "NAME"),
    (2, "delete_gateway chat --forget --keep-record", "not allowed with"),
    (2, "check_ws_settings --gateway nowhere", "'nowhere'"),
    (2, "check_ws_settings --fail-level notice", "invalid choice"),
    (2, "check_ws_settings --timeout 0", "is not a positive integer"),
    (0, "purge_connections", "Nothing to do"),
    (2, "purge_connections --only dust", "'dust' is not a part"),
    (2, "purge_connections --only tokens --verify", "--verify is about sessions"),
    (1, "import_legacy_gateways", "has no table"),
    (2, "import_legacy_gateways --format xml", "invalid choice"),
    (0, "broadcast lobby {}", "No open connections"),
    (1, "broadcast --user nobody {}", "nobody"),
    (1, "broadcast lobby", "there is no message"),
    (2, "broadcast", "channel"),
    (2, "broadcast lobby {oops", "not JSON"),
    (2, "broadcast --status 1 --cancel 2", "Give one of"),
    (1, "broadcast --status 999", "999"),
    (1, "run_local_gateway --host 192.0.2.1", "loopback only"),
    (0, "ws_metrics", "broadcasts.open"),
    (1, "ws_metrics --output /nowhere/file", "cannot be written"),
    (2, "ws_metrics --database nowhere", "'nowhere'"),
    (2, "ws_metrics --format xml", "invalid choice"),
    (2, "run_local_gateway --port x", "is not a port"),
]


@pytest.mark.parametrize(("status", "line", "said"), CASES, ids=[case[1] for case in CASES])
def test_a_command_ends_with_its_documented_code(
    chat: ApiGateway,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    status: int,
    line: str,
    said: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    ended = 0

    try:
        execute_from_command_line(["manage.py", *line.split()])
    except SystemExit as exc:
        ended = exc.code if isinstance(exc.code, int) else 1

    out, err = capfd.readouterr()
    assert (ended, "Traceback" in err) == (status, False), out + err
    assert said in out + err


def test_every_command_is_in_the_table() -> None:
    own = {name for name, app in get_commands().items() if app == "websocket_gateway"}

    assert own == {line.split()[0] for _, line, _ in CASES}


@pytest.mark.parametrize("command", sorted({line.split()[0] for _, line, _ in CASES}))
def test_the_page_of_a_command_says_each_code(command: str) -> None:
    pages = Path(__file__).resolve().parents[2] / "management_docs"
    section = (pages / f"{command}.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]

    for status in {status for status, line, _ in CASES if line.split()[0] == command}:
        assert re.search(rf"(^|\| |\. |\n){status} ", section), (command, status)
