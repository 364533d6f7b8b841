"""The browser's client: its options, methods, events, states and codes against its own declarations."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.docs.pages import ROOT, names, prose, read, section, table_rows
from websocket_gateway.client_config import CLIENT_OPTIONS

STATIC = ROOT / "websocket_gateway/static/websocket_gateway"
CLIENT = ROOT / "websocket_gateway/client"
SOURCE = "".join(path.read_text() for path in sorted(CLIENT.glob("*.js")))
OF_HISTORY = {"history_off", "not_subscribed", "presence_off"}
"""Codes about the history or the members of a channel, not about the channel."""
TYPES = (CLIENT / "types.d.ts").read_text() + (STATIC / "client.d.ts").read_text()
UNITS = {"s": 1_000, "min": 60_000}


def declared_options() -> set[str]:
    body = TYPES.partition("export type Options = {")[2].partition("\n};")[0]
    return set(re.findall(r"^    (\w+)\??:", body, re.M))


def option_rows() -> dict[str, str]:
    """Option to default, where a row names several of either in the same order."""
    found: dict[str, str] = {}
    for row in table_rows(section("browser_client.md", "## Options")):
        options, defaults = names(row[0]), row[1].split(", ")
        same = defaults if len(defaults) == len(options) else [row[1]] * len(options)
        found |= dict(zip(options, same, strict=True))
    return found


def defaults_of_the_code() -> dict[str, str]:
    body = SOURCE.partition("const DEFAULTS = {")[2].partition("\n};")[0]
    plain = re.sub(r"/\*.*?\*/|//.*|_", "", body).replace("MINUTE", "60000")
    return {name: value.strip(" (),") for name, value in re.findall(r"^  (\w+):(.+)$", plain, re.M)}


def test_the_options_are_those_that_are_declared() -> None:
    assert set(option_rows()) == declared_options() - {"subprotocol"}


@pytest.mark.parametrize(("name", "shown"), option_rows().items())
def test_a_default_is_the_one_of_the_code(name: str, shown: str) -> None:
    code = defaults_of_the_code().get(name)

    if name.startswith("csrf"):
        assert shown == "Django's names"
    elif time := re.fullmatch(r"([\d.]+) (s|min)", shown):
        assert eval(code or "") == float(time[1]) * UNITS[time[2]]
    else:
        assert (code or "") == shown.strip("`")


def test_the_template_tag_takes_every_option_that_a_page_may_choose() -> None:
    def in_javascript(name: str) -> str:
        first, *rest = name.split("_")
        return first + "".join(word.title() for word in rest)

    of_the_page = {
        "url",
        "token",
        "headers",
        "user",
        "tokenUrl",
        "channel",
        "csrfToken",
        "csrfCookie",
        "csrfHeader",
        "signal",
        "positions",
        "inbox",
        "unread",
        "members",
        "subprotocol",
    }

    assert {in_javascript(name) for name in CLIENT_OPTIONS} == declared_options() - of_the_page


def test_every_method_of_the_client_is_explained() -> None:
    body = TYPES.partition("export class GatewayClient {")[2].partition("\n}")[0]
    methods = set(re.findall(r"^    (?:get )?(\w+)[(:]", body, re.M)) - {"constructor"}
    text = read("browser_client.md")

    assert {name for name in methods if not re.search(rf"(?:`|client\.|on `?){name}\b", text)} == set()


def test_the_states_are_those_that_are_declared() -> None:
    told = {names(row[0])[0] for row in table_rows(section("browser_client.md", "## States"))}

    assert told == set(re.findall(r'"(\w+)"', re.search(r"export type State = (.*);", TYPES)[1]))  # type: ignore[index]


def test_every_code_of_an_error_that_the_client_makes_stands_in_its_table() -> None:
    made = set(re.findall(r'new GatewayError\(\s*"(\w+)"', SOURCE)) | set(
        re.findall(r'#?fail\(\s*"(\w+)"', SOURCE)
    )
    told = {name for row in table_rows(section("browser_client.md", "## Sending")) for name in names(row[0])}

    assert made
    assert made <= told | set(names(section("wire_format.md", "## Error codes")))


def test_every_code_in_the_table_is_one_that_the_client_gives() -> None:
    told = {name for row in table_rows(section("browser_client.md", "## Sending")) for name in names(row[0])}

    assert {name for name in told if f'"{name}"' not in SOURCE} == set()


def test_every_reason_that_the_page_gives_stands_in_the_code() -> None:
    told = [name for row in table_rows(section("browser_client.md", "## States")) for name in names(row[1])]
    reasons = {name for name in told if name.islower() and name.isidentifier()}

    assert len(reasons) > 6
    assert {name for name in reasons if f'"{name}"' not in SOURCE} == set()


@pytest.mark.parametrize(
    ("page", "heading"), [("browser_client.md", "## Receiving"), ("wire_format.md", "## Control frames")]
)
def test_the_codes_that_are_final_for_a_channel_are_those_of_the_code(page: str, heading: str) -> None:
    final = set(re.findall(r'"(\w+)"', SOURCE.partition("const FINAL = [")[2].partition("]")[0]))
    codes = set(names(section("wire_format.md", "## Error codes")))

    assert len(final) == 5
    assert set(names(section(page, heading))) & codes - {"not_connected", *OF_HISTORY} == final


def test_its_own_events_are_explained() -> None:
    events: Any = set(re.findall(r'"(\$[a-z]+)"', SOURCE))

    assert events
    assert {name for name in events if f"`{name}`" not in prose("browser_client.md")} == set()
