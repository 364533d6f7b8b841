"""The pages of the view, the wire format, mixins and template tags: all there is, with its default."""

from __future__ import annotations

import inspect
import re
from inspect import get_annotations
from typing import Any, get_type_hints

import pytest

from tests.docs.pages import read, rows, section
from websocket_gateway import mixins
from websocket_gateway.templatetags import websocket_gateway as tags
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.responses import ErrorCode
from websocket_gateway.views.websocket import WebSocketView

MACHINERY = {"http_method_names", "as_view", "setup", "dispatch", "handler_table"}
DEFINED = {**vars(WebSocketHooks), **vars(WebSocketView)}
PUBLIC = {name: value for name, value in DEFINED.items() if name[0] != "_" and name not in MACHINERY}
HOOKS = {name for name, value in PUBLIC.items() if inspect.isfunction(value)}
ATTRIBUTES = {name: value for name, value in PUBLIC.items() if name not in HOOKS}


def first_cells(text: str, pattern: str) -> list[str]:
    cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [name for cell in cells for name in re.findall(pattern, cell)]


def test_the_table_of_attributes_is_the_list_of_attributes() -> None:
    assert sorted(first_cells(section("view.md", "## Attributes"), r"`(\w+)`")) == sorted(ATTRIBUTES)


def test_the_table_of_hooks_is_the_list_of_hooks_with_their_arguments() -> None:
    written = first_cells(section("view.md", "## Hooks"), r"`(\w+\([^)]*\))`")
    found = []
    for name in HOOKS:
        arguments = inspect.signature(getattr(WebSocketView, name)).parameters.values()
        own = [item.name for item in arguments if item.kind is item.POSITIONAL_OR_KEYWORD][1:]
        found.append(f"{name}({', '.join(own)})")

    assert sorted(written) == sorted(found)


def test_the_table_of_forbidden_names_has_those_of_the_machinery() -> None:
    private = {name for name in DEFINED if name[0] == "_" and name[1] != "_"}
    written = set(first_cells(section("view.md", "## Names that a handler cannot have"), r"`(\w+)`"))

    assert {name for name in written if name[0] == "_"} == private
    assert written >= MACHINERY
    assert written >= {name for name in get_annotations(WebSocketHooks) if not hasattr(WebSocketView, name)}


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_the_default_of_an_attribute_is_written_beside_it(name: str) -> None:
    (row,) = (row for row in rows("view.md") if f"`{name}`" in row[0] and len(row) == 3)

    assert shown(ATTRIBUTES[name]) in row[1].replace('"', ""), row


def shown(value: Any) -> str:
    if isinstance(value, re.Pattern):
        return f"`{value.pattern}`"
    if isinstance(value, (tuple, list, set, frozenset)) and value:
        return ", ".join(f"`{item}`" for item in value)
    return f"`{'()' if value in ((), [], frozenset()) else value}`"


def test_the_table_of_codes_is_the_list_of_codes() -> None:
    found = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", read("wire_format.md"), flags=re.MULTILINE)

    assert {code: int(status) for code, status in found} == {code.code: code.status for code in ErrorCode}


@pytest.mark.parametrize(
    "mixin",
    [mixins.AddWebSocketRouteToContextMixin, mixins.AppChannelWebSocketMixin],
    ids=lambda it: it.__name__,
)
def test_a_mixin_and_its_attributes_stand_in_the_page(mixin: type) -> None:
    page = read("templates.md")

    for name in (mixin.__name__, *get_type_hints(mixin)):
        assert re.search(rf"[`.]{name}`", page), name


@pytest.mark.parametrize(
    ("tag", "page"),
    [
        (tags.websocket_client, "browser_client.md"),
        (tags.websocket_client, "templates.md"),
        (tags.websocket_config, "templates.md"),
        (tags.websocket_url, "templates.md"),
    ],
    ids=lambda it: getattr(it, "__name__", it),
)
def test_a_template_tag_and_its_arguments_stand_in_the_page(tag: Any, page: str) -> None:
    text = read(page)
    arguments = [
        item.name
        for item in inspect.signature(tag).parameters.values()
        if item.name != "context" and item.kind is not inspect.Parameter.VAR_KEYWORD
    ]

    assert tag.__name__ in text
    for name in arguments:
        assert re.search(rf"`{name}[`=]|[ ]{name}=", text), name
