"""What a reader of the tree relies on: small modules, short functions, no cycle."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

grimp = pytest.importorskip("grimp", reason="grimp comes with import-linter, in the extra dev")

PACKAGE = Path(__file__).resolve().parent.parent / "websocket_gateway"
MODULES = [
    path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" and "migrations" not in path.parts
]
LATE = "websocket_gateway.models.sessions", "websocket_gateway.sending"
"""The one import against the layers, made when `send_message` is called."""


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_there_are_few_enough_modules_to_know_them() -> None:
    # 200 after the regrouping. New since then: installations, rotation, the testing kit, forks, backends,
    # tenants, channels with a history, credentials, urgent sends, presence and its figures, inboxes,
    # records of broadcasts and refusals, an admin that shows them, signals about messages, log records,
    # metrics (14), statements that are compiled once, columns that are added in place, records in DNS.
    assert len(MODULES) <= 283
    assert 100 <= median(map(lines, MODULES)) <= 130


def test_every_module_fits_in_view() -> None:
    assert {str(path.relative_to(PACKAGE)): lines(path) for path in MODULES if lines(path) > 250} == {}


def test_few_lines_leave_their_types_open() -> None:
    # Half of the 406 lines before the regrouping. What is left are hooks and messages of a project, keys of
    # users, objects of libraries without types.
    lines_with_any = [
        f"{path.relative_to(PACKAGE)}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in path.read_text().splitlines()
        if re.search(r"\bAny\b", line) and not re.search("import.*Any", line)
    ]

    assert len(lines_with_any) <= 203, "\n".join(lines_with_any)


def test_every_function_is_short() -> None:
    long = {
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}": size
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (size := (node.end_lineno or 0) - node.lineno + 1) > 40
    }

    assert long == {}


def test_no_module_leads_back_to_itself_but_by_the_named_import() -> None:
    graph = grimp.build_graph("websocket_gateway")
    edges = {name: set(graph.find_modules_directly_imported_by(name)) for name in graph.modules}
    assert LATE[1] in edges[LATE[0]]
    edges[LATE[0]].discard(LATE[1])

    try:
        TopologicalSorter(edges).prepare()
    except CycleError as exc:
        pytest.fail(" -> ".join(reversed(exc.args[1])))


def test_a_task_is_followed_through_few_modules() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}

    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.reading"],
        cwd=PACKAGE.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_what_the_gate_selects_by_a_mark_is_where_it_looks() -> None:
    names = ("tests.end_to_end.chromium import", "tests.support.installing import")
    files = [file for file in PACKAGE.parent.joinpath("tests").rglob("test_*.py") if file != Path(__file__)]
    marked = [file for file in files if any(name in file.read_text() for name in names)]

    assert len(marked) > 10
    assert {file.relative_to(PACKAGE.parent).parts[:2] for file in marked} == {("tests", "end_to_end")}
