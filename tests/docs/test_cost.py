"""The page on cost does its arithmetic in Python: what it prints is what its own formula gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "management_docs/cost.md").read_text()
ROWS = re.findall(
    r"^\| .+? \| `(month\(.+?\))` \| \$([\d,]+) \| \$([\d,]+) \| \$([\d,]+) \| \*\*\$([\d,]+)\*\* \|$",
    PAGE,
    flags=re.MULTILINE,
)


@pytest.fixture(scope="module")
def formula() -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "cost.md", "exec"), names)
    return names


def test_every_example_of_the_page_is_read() -> None:
    assert len(ROWS) == PAGE.count("`month(") == 9


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_an_example_costs_what_the_formula_says(row: tuple[str, ...], formula: dict[str, Any]) -> None:
    call, *printed = row

    computed = eval(call, formula)

    assert [int(part.replace(",", "")) for part in printed] == list(computed)


def test_messages_are_counted_in_steps_of_32_kb(formula: dict[str, Any]) -> None:
    counted = [formula["metered"](size) for size in (0, 1, 32 * 1024, 33 * 1024, 128 * 1024)]

    assert counted == [1, 1, 1, 2, 4]


def test_a_thousand_million_messages_are_dearer_than_those_beyond(formula: dict[str, Any]) -> None:
    first = formula["month"](1, 0, 1_000_000_000, 0)
    second = formula["month"](1, 0, 2_000_000_000, 0)

    assert (first[1], second[1]) == (1_000, 1_800)


def test_a_hundred_dollars_buy_what_the_page_says(formula: dict[str, Any]) -> None:
    messages, minutes = 100 / formula["MESSAGE"], 100 / formula["MINUTE"]

    assert f"{messages / 1e6:.0f} million messages, or {minutes / 1e6:.0f} million minutes" in PAGE
    assert f"{minutes / (730 * 60):,.0f} clients connected day and night" in PAGE


def test_heartbeats_cost_twice_the_hour_they_keep_open(formula: dict[str, Any]) -> None:
    hour, heartbeats = 60 * formula["MINUTE"], 30 * formula["MESSAGE"]

    assert heartbeats == pytest.approx(2 * hour)
    assert 2 * 60 / 9 * formula["MESSAGE"] < hour
