"""The security page: its figures are those of the tables of attacks, and the tests that it names exist."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from tests.docs.pages import ROOT, names, section, table_rows

PAGE = "security_model.md"
STANDARDS = ("## OWASP WebSocket Security Cheat Sheet", "## OWASP ASVS 5.0")
ATTACKS = list(table_rows(section(PAGE, "## What is tried")))


@pytest.mark.parametrize("row", ATTACKS, ids=lambda row: row[0])
def test_the_figure_is_that_of_the_table(row: list[str]) -> None:
    _attacks, cases, test = row
    (path,) = names(test)

    module = import_module(path.removesuffix(".py").replace("/", "."))

    assert str(module.CASES) == cases


def test_every_table_of_attacks_is_on_the_page() -> None:
    having = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests/security").glob("test_*.py")
        if re.search(r"^CASES = |import .*\bCASES\b", path.read_text(), re.MULTILINE)
    }

    assert {names(row[2])[0] for row in ATTACKS} == having
    assert sum(int(row[1]) for row in ATTACKS) > 2_500


@pytest.mark.parametrize("heading", STANDARDS)
def test_every_point_says_what_is_done_and_names_tests_that_exist(heading: str) -> None:
    rows = list(table_rows(section(PAGE, heading)))
    assert len(rows) > 20

    missing = [
        point
        for point, done, tests in rows
        if not done or not names(tests) or not all((ROOT / path).exists() for path in names(tests))
    ]

    assert missing == []
