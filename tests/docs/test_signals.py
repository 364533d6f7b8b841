"""The page on signals is true of what is sent: the arguments, and every reason that our own code gives."""

from __future__ import annotations

import re
from pathlib import Path

from django.dispatch import Signal

from websocket_gateway import signals

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "management_docs/signals.md").read_text()
SOURCES = [path.read_text() for path in (ROOT / "websocket_gateway").rglob("*.py")]
ROWS = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", PAGE, flags=re.MULTILINE))


def test_the_arguments_are_those_that_are_sent() -> None:
    assert ROWS.keys() == {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    for name, cell in ROWS.items():
        calls = [
            call
            for text in SOURCES
            for call in re.findall(
                rf"send_safely\(\s*{name},\s*sender=[^,]+,\s*(.*?)\)\n", text, flags=re.DOTALL
            )
        ]
        documented = {found for found in re.findall(r"`(\w+)`", cell) if not found.endswith("Event")}

        assert calls, name
        for call in calls:
            assert set(re.findall(r"(\w+)=", call)) == documented


def test_every_reason_for_an_end_stands_in_the_page() -> None:
    table = PAGE.partition("| `reason` of")[2].partition("\n\n")[0]
    given = {reason for text in SOURCES for reason in re.findall(r'reason(?:: str)? ?= ?"(\w+)"', text)}
    given |= {
        reason
        for text in SOURCES
        for body in re.findall(r"def reason_to_end\(.*?\n\n\n", text, flags=re.DOTALL)
        for reason in re.findall(r'"(\w+)"', body)
    }

    assert {"client", "logout", "password", "deactivated", "gone"} <= given
    assert given <= set(re.findall(r'`"(\w+)"`', table))
