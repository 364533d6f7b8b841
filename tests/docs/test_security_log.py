"""The page of the security log: every field and rule, the settings that can be copied, and a line."""

from __future__ import annotations

import ast
import json
import logging
import logging.config
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import blocks_of, names, prose, read, section, table_rows
from websocket_gateway import security_log
from websocket_gateway.security_log import EVENTS, FIELDS, LOGGER, RECORDS, SECONDS

PAGE = "security_log.md"


def test_the_table_of_fields_is_the_list_of_fields() -> None:
    table = prose(PAGE).partition("## Rules")[0]

    assert [name for row in table_rows(table) for name in names(row[0])] == list(FIELDS)


def test_the_table_of_rules_has_every_rule_beside_its_event_and_no_other() -> None:
    written: dict[str, str] = {}
    event = ""
    for first, rules in table_rows(section(PAGE, "## Rules")):
        event = names(first)[0] if first else event
        written |= {name: event for name in names(rules) if name in EVENTS or not name[0].isupper()}

    no_rules = {"additional_connection_checks", "connect"}
    assert {rule: kind for rule, kind in written.items() if rule not in no_rules} == dict(EVENTS)


def test_rules_that_are_called_info_are_written_at_that_level() -> None:
    rows = [" ".join(row) for row in table_rows(section(PAGE, "## Rules")) if "`INFO`" in row[1]]

    info = {rule for rule in EVENTS if security_log._level_of(rule) == logging.INFO}
    assert info == {name for row in rows for name in names(row) if name in EVENTS}


def test_figures_are_those_of_the_code() -> None:
    text = read(PAGE)

    assert f"at most {RECORDS} records of one rule in {SECONDS:.0f} seconds" in text
    assert f"cut at\n{security_log._LENGTH} characters, the reason at {security_log._REASON_LENGTH}" in text


def test_the_settings_write_the_line_that_the_page_shows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (block,) = blocks_of(PAGE, "python")
    (statement,) = ast.parse(block.text).body
    config = ast.literal_eval(statement.value)  # type: ignore[attr-defined]
    monkeypatch.chdir(tmp_path)
    shown: dict[str, Any] = json.loads(blocks_of(PAGE, "json")[0].text)
    loggers = [logging.getLogger(name) for name in config["loggers"]]
    before = [(one.level, one.propagate) for one in loggers]

    logging.config.dictConfig(config)
    try:
        given = {name: shown[name] for name in FIELDS if name not in ("event", "rule", "left_out")}
        reason = shown["message"].partition(": ")[2]
        security_log.write(shown["rule"], reason, **given)
        (line,) = (tmp_path / config["handlers"]["security"]["filename"]).read_text().splitlines()
    finally:
        for one, (level, propagate) in zip(loggers, before, strict=True):
            one.setLevel(level)
            one.propagate = propagate
        for handler in logging.getLogger(LOGGER).handlers[:]:
            logging.getLogger(LOGGER).removeHandler(handler)
            handler.close()

    written = json.loads(line)
    assert list(written) == list(shown)
    assert written | {"time": ""} == shown | {"time": ""}
    assert len(written["time"]) == len(shown["time"])
