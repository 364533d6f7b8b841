"""The settings page has every setting with its default, and none that does not exist."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from tests.docs.pages import ROOT, Block, blocks, names, rows
from websocket_gateway import conf
from websocket_gateway.conf import ChannelOptions, GatewayOptions, get_settings

ROWS = {name: row for row in rows("settings.md") for name in names(row[0]) if name.isupper()}


def test_every_setting_of_the_dict_stands_in_the_page_with_its_default() -> None:
    known = set()
    for schema in (conf.GatewaySettings, conf.GatewayOptions):
        for item in fields(schema):
            if not item.metadata:
                continue
            known.add(item.name.upper())
            row = ROWS[item.name.upper()]
            if item.default is not None and not isinstance(item.default, tuple):
                shown = f'"{item.default}"' if isinstance(item.default, str) else str(item.default)
                assert f"`{shown}`" in " ".join(row), row

    assert {name for name in ROWS if not name.startswith("AWS_")} == known


def test_what_is_empty_by_default_is_said_to_be() -> None:
    for schema in (conf.GatewaySettings, conf.GatewayOptions):
        for item in fields(schema):
            if item.metadata and item.default in (None, ()):
                empty = {"None", "absent"} if item.default is None else {"[]", "{}"}
                assert ROWS[item.name.upper()][1].strip("`") in empty, item.name


def test_what_a_value_may_be_stands_beside_it() -> None:
    for schema in (conf.GatewaySettings, conf.GatewayOptions):
        for item in fields(schema):
            parse = item.metadata.get("parse")
            row = " ".join(ROWS[item.name.upper()][1:]) if parse else ""
            assert [choice for choice in getattr(parse, "choices", ()) if choice not in row] == []
            assert str(getattr(parse, "maximum", None) or "") in row


def test_every_flat_setting_that_is_read_stands_in_the_page() -> None:
    source = "".join(path.read_text() for path in (ROOT / "websocket_gateway").glob("conf*.py"))
    source += "".join(path.read_text() for path in (ROOT / "websocket_gateway/aws").glob("*.py"))
    read = set(re.findall(r'"(AWS_(?:GATEWAY_|IAM_|REGION_|ACCESS_|SECRET_|SESSION_)[A-Z_]+)"', source))

    assert {name for name in ROWS if name.startswith("AWS_")} == read


def settings_blocks() -> list[tuple[Block, dict[str, Any]]]:
    found = []
    for block in blocks("python"):
        for statement in ast.parse(block.text, mode="exec").body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "WEBSOCKET_GATEWAY":
                found.append((block, ast.literal_eval(statement.value)))
    return found


@pytest.mark.parametrize(("block", "value"), settings_blocks(), ids=lambda item: str(item)[:40])
def test_every_settings_block_of_the_pages_is_accepted(block: Block, value: dict[str, Any]) -> None:
    with override_settings(WEBSOCKET_GATEWAY=value):
        try:
            found = get_settings()
        except ImproperlyConfigured as exc:
            pytest.fail(f"{block}: {exc}")

    nested = {"GATEWAYS": GatewayOptions, "CHANNELS": ChannelOptions}
    for key, item in value.items():
        if key in nested:
            parsed = dict(getattr(found, key.lower()))
            assert parsed.keys() == item.keys()
            assert all(isinstance(options, nested[key]) for options in parsed.values())
        else:
            assert getattr(found, key.lower()) == item
    for name, options in value.get("CHANNELS", {}).items():
        parsed_options = dict(found.channels)[name]
        assert {key: getattr(parsed_options, key.lower()) for key in options} == options
