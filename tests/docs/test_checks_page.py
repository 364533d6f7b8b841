"""The page of the checks: chapter, level and mark of every finding are those of the code that gives it.

That the ids are the same on both sides is a test of `tests/checks/test_checks.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs.pages import ROOT, names, read, section, table_rows
from websocket_gateway import checks

SOURCES = [
    *(ROOT / "websocket_gateway/checks").glob("*.py"),
    *(ROOT / "websocket_gateway/diagnostics").glob("*.py"),
]
ASKING = ["Database and rows", "Live"]
STATIC = [
    "Settings of this package",
    "Origins and cookies",
    "Sessions, middleware, redirects",
    "URLs",
    "Views",
]
LEVELS = {"error": "E", "warning": "W"}


def findings_in(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Level and number of every finding that is made in a piece of code."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Name(id="error" | "warning" as level), args=[ast.Constant(str(number)), *_]
            ):
                yield level, number


TREES: dict[Path, ast.Module] = {path: ast.parse(path.read_text()) for path in SOURCES}
GIVEN = {number: level for tree in TREES.values() for level, number in findings_in(tree)}
ROWS = {
    number: (chapter, row)
    for chapter in (*STATIC, *ASKING)
    for row in table_rows(section("checks.md", f"## {chapter}"))
    for number in names(row[0])
}


def test_an_id_begins_with_the_letter_of_its_level() -> None:
    assert len(GIVEN) > 50
    assert {number for number, level in GIVEN.items() if number[0] != LEVELS[level]} == set()


def test_no_chapter_is_overlooked() -> None:
    assert set(ROWS) == set(GIVEN)


def test_what_asks_database_or_network_is_numbered_from_101() -> None:
    assert {number for number, (chapter, _) in ROWS.items() if chapter in ASKING} == {
        number for number in GIVEN if int(number[1:]) > 100
    }


def test_what_stands_under_live_is_found_by_what_asks_aws_or_the_network() -> None:
    of_the_database = {"E101", "E102", "W108", "W115", "W116", "W117", "W118", "W119", "W120"}
    found = {
        number
        for path, tree in TREES.items()
        if path.parent.name == "diagnostics" and path.stem != "rows"
        for _, number in findings_in(tree)
    }

    assert {number for number, (chapter, _) in ROWS.items() if chapter == "Live"} == found - of_the_database


def test_the_degree_sign_stands_where_a_check_is_run_in_production_only() -> None:
    functions = {check.__name__ for check in checks.IN_PRODUCTION}
    found = {
        number
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in functions
        for _, number in findings_in(node)
    }

    assert {number for number, (_, row) in ROWS.items() if "°" in row[0]} == found


def test_every_row_says_what_was_found_and_what_to_do() -> None:
    assert [row for _, row in ROWS.values() if len(row) != 3 or not all(row)] == []


def test_the_settings_of_django_at_a_glance_name_ids_that_are_about_them() -> None:
    for setting, *rest in table_rows(section("checks.md", "## Django's own settings at a glance")):
        for number in re.findall(r"\b[EW]\d{3}\b", " ".join(rest)):
            source = "".join(
                path.read_text()
                for path, tree in TREES.items()
                if number in [other for _, other in findings_in(tree)]
            )
            known = " ".join(ROWS[number][1]) + source
            assert any(name in known for name in names(setting)), (setting, number)


def test_the_findings_that_the_command_shows_have_the_level_of_their_id() -> None:
    shown = re.findall(r"^(ERROR|WARNING) +([EW]\d{3})", read("check_ws_settings.md"), re.MULTILINE)

    assert shown
    assert all(GIVEN[number] == level.lower() for level, number in shown)
