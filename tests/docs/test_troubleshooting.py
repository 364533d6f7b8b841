"""Each finding, rule, code, reason and log line that the page on troubleshooting names exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

import websocket_gateway
from tests.docs.pages import names, read, section, table_rows
from websocket_gateway.security_log import Rule
from websocket_gateway.views.responses import ErrorCode

PAGE = "troubleshooting.md"
SOURCE = "\n".join(path.read_text() for path in Path(websocket_gateway.__file__).parent.rglob("*.py"))


def rules() -> set[str]:
    found: set[str] = set()
    pending = [Rule]
    while pending:
        for item in get_args(pending.pop()):
            if isinstance(item, str):
                found.add(item)
            else:
                pending.append(item)
    return found


REFUSALS = list(table_rows(section(PAGE, "### Django refuses the handshake")))


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row[0])
def test_a_refusal_of_the_page_is_one_of_the_log(row: list[str]) -> None:
    (rule,), (line,) = names(row[0]), names(row[1])

    assert rule in rules()
    assert line.partition("'")[0] in SOURCE


def test_the_findings_exist() -> None:
    named = set(re.findall(r"`([EW]\d{3})`", read(PAGE)))

    assert named
    assert named <= set(re.findall(r"^\| `([EW]\d{3})`", read("checks.md"), re.MULTILINE))


def test_the_reasons_of_the_client_and_the_rules_beside_them_exist() -> None:
    known = set(names(section("browser_client.md", "## States"))) | {"no_config"}
    for reason, logged, *_ in table_rows(section(PAGE, "## The socket does not open").partition("###")[0]):
        assert set(names(reason)) <= known
        assert set(names(logged)) <= rules()


def test_the_codes_exist() -> None:
    rows = list(table_rows(section(PAGE, "## A message does not reach Django")))
    codes = {code for row in rows for code in names(row[0]) if "(" not in code}

    assert codes
    assert codes <= {code.value[0] for code in ErrorCode}
