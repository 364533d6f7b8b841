"""The benchmarks can be run, and the page of figures names what there is. Nothing is timed here."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import figures, results
from tests.benchmarks.figures import PAGE, SUBJECTS, rewritten, table
from tests.benchmarks.peers.environments import PEERS, REQUIREMENTS, requirements

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "benchmarks"
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
COMMANDS = sorted(path.stem for path in FOLDER.glob("*.py") if '__name__ == "__main__"' in path.read_text())
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "management_docs").glob("*.md"))]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_can_be_imported(name: str) -> None:
    importlib.import_module(f"tests.benchmarks.{name}")


@pytest.mark.parametrize("path", sorted((FOLDER / "peers").glob("*.py")), ids=lambda path: path.stem)
def test_a_program_for_another_environment_imports_nothing_of_ours(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert not [name for name in imported if name.startswith("websocket_gateway")]
    assert {name for name in imported if name.startswith("tests.")} <= {
        "tests.settings",
        "tests.benchmarks.peers.legacy",
    }


def test_every_benchmark_that_a_page_names_exists() -> None:
    named = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(r"tests[./]benchmarks[./](\w+)", page.read_text())
    }

    assert len(named) > 10
    assert {(page, name) for page, name in named if name not in COMMANDS} == set()


def test_the_page_names_every_benchmark_once_as_a_command() -> None:
    text = PAGE.read_text()

    assert [
        name
        for name in COMMANDS
        if f"python -m tests.benchmarks.{name}`"
        not in text.replace(" publishing callers reading fanout`", "`")
        and name not in ("figures", "backend")
    ] == []


def test_the_page_has_one_place_for_each_subject() -> None:
    places = re.findall(r"<!-- figures: (\w+) -->\n.*?\n<!-- end of figures -->", PAGE.read_text(), re.DOTALL)

    assert sorted(places) == sorted([*SUBJECTS, "run"])
    assert {module for module, *_ in SUBJECTS.values()} <= set(COMMANDS)


def test_tables_are_put_between_their_markers_and_nothing_else_changes() -> None:
    page = (
        "a\n<!-- figures: one -->\nold\n<!-- end of figures -->\n"
        "b\n<!-- figures: two -->\nx\n<!-- end of figures -->\n"
    )

    changed = rewritten(
        page, {"one": table([("send", "5/s", ""), ("post | get", "6/s", "1.2 x")], ("a", "b", "c"))}
    )

    assert changed == page.replace(
        "\nold\n", "\n| a | b | c |\n| --- | --- | --- |\n| send | 5/s |  |\n| post / get | 6/s | 1.2 x |\n"
    )
    with pytest.raises(SystemExit, match="0 places for 'three'"):
        rewritten(page, {"three": "y"})


def test_a_benchmark_keeps_its_rows_for_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    monkeypatch.setenv("BENCHMARK_RESULTS", str(file))

    results.record("a message", "5 µs", "0.5 times")

    assert json.loads(file.read_text()) == ["a message", "5 µs", "0.5 times"]


def test_a_subject_that_ends_with_a_signal_or_wrong_usage_has_no_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(SUBJECTS, "startup", ["startup", "no-number"])

    assert figures.run("startup") == []


def test_peers_get_the_versions_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import django

    monkeypatch.setenv("WEBSOCKET_GATEWAY_TEST_DATABASE", "postgresql")

    assert requirements("channels")[0] == f"Django=={django.__version__}"
    assert requirements("channels")[-1] == "psycopg[binary]"
    assert any(re.fullmatch(r"boto3==[\d.]+", item) for item in requirements("legacy"))


def run(module: str, *arguments: str) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("COV")
        and name not in ("DJANGO_SETTINGS_MODULE", "WEBSOCKET_GATEWAY_TEST_NAME")
    }
    ended = subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


WITH_PEERS = bool(os.environ.get("WEBSOCKET_GATEWAY_TEST_PEERS"))
OURS = [] if WITH_PEERS else ["--ours"]
"""Other packages are installed from PyPI, and need Redis: only where the environment says so."""


def test_a_message_reaches_every_socket() -> None:
    printed = run("loopback", "--sockets", "8", "--messages", "2", *OURS)

    assert "last of 8 after" in printed
    assert ("group_send()" in printed) == WITH_PEERS


def test_a_client_gets_its_answers() -> None:
    printed = run("round_trip", "--sockets", "2", "--seconds", "0.3", "--rounds", "1", *OURS)

    assert "our view, behind the local gateway" in printed
    assert ("user read again" in printed) == WITH_PEERS


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_views_answer_behind_gunicorn() -> None:
    printed = run("serving", "--seconds", "1", "--rounds", "1", *OURS)

    assert "a bare view" in printed
    assert ("older package" in printed) == WITH_PEERS


@pytest.mark.parametrize("name", sorted(REQUIREMENTS))
def test_a_peer_that_was_installed_is_what_is_asked_for(name: str) -> None:
    stamp = PEERS / f"{name}-sqlite" / "installed.txt"
    if not stamp.exists():
        pytest.skip("not installed here")

    packages = [re.split("[=<]", line)[0] for line in stamp.read_text().splitlines()]

    assert packages[: len(REQUIREMENTS[name]) + 1] == [
        "Django",
        *(re.split("[=<]", item)[0] for item in REQUIREMENTS[name]),
    ]
