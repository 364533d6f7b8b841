"""The page on templates names every tag, argument, attribute and name in the context."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from websocket_gateway import mixins
from websocket_gateway.templatetags import websocket_gateway as tags

PAGE = (Path(__file__).resolve().parents[2] / "management_docs/templates.md").read_text()


@pytest.mark.parametrize("tag", sorted(tags.register.tags))
def test_a_tag_stands_in_the_page_with_its_arguments(tag: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([a-z, ]+) \|", PAGE, flags=re.MULTILINE))
    arguments = set(inspect.signature(getattr(tags, tag)).parameters) - {"context", "options"}

    assert "{% " + tag in PAGE
    short = tag.removeprefix("websocket_")
    assert {name for name, users in rows.items() if users == "all" or short in users} == arguments


@pytest.mark.parametrize(
    "mixin",
    [mixins.AddWebSocketRouteToContextMixin, mixins.AppChannelWebSocketMixin],
    ids=lambda mixin: mixin.__name__,
)
def test_everything_public_of_a_mixin_stands_in_the_page(mixin: type) -> None:
    public = [name for name in vars(mixin) if not name.startswith("_") and name != "get_context_data"]

    assert [name for name in public if not re.search(rf"`{name}[`(]", PAGE)] == []
    assert f"`{mixin.__name__}`" in PAGE
