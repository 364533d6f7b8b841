"""The ticket board of the samples: how much its author had to write."""

from __future__ import annotations

from pathlib import Path

BOARD = Path(__file__).resolve().parent.parent / "sample_project" / "ticket_board" / "board"
WRITTEN = [
    path
    for path in BOARD.rglob("*")
    if path.suffix in {".py", ".html", ".js"} and "migrations" not in path.parts
]


def test_it_has_at_most_85_lines() -> None:
    lines = [line for path in WRITTEN for line in path.read_text().splitlines() if line.strip()]

    assert {path.suffix for path in WRITTEN if path.read_text()} == {".py", ".html", ".js"}
    assert len(lines) <= 85
    assert max(map(len, lines)) <= 125
