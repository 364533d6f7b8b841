"""The pages name every attribute, hook and code, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from websocket_gateway.views import WebSocketView
from websocket_gateway.views.answers import ErrorCode

DOCS = Path(__file__).resolve().parents[2] / "management_docs"
PAGES = ["view", "tokens", "rate_limits", "channels", "security_model", "testing", "wire_format"]
ATTRIBUTES = [
    name
    for name in vars(WebSocketView)
    if not name.startswith("_")
    and name not in ("http_method_names", "as_view", "setup", "dispatch", "post", "call", "handler_table")
]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attribute_or_hook_stands_in_the_page_of_the_view(name: str) -> None:
    assert re.search(rf"`{name}[`(]", (DOCS / "view.md").read_text())


def test_table_of_codes_is_the_list_of_codes() -> None:
    text = (DOCS / "wire_format.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", text, flags=re.MULTILINE)

    assert {code: int(status) for code, status in rows} == {code.code: code.status for code in ErrorCode}


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_to_pages(page: str) -> None:
    for target in re.findall(r"\]\(([\w./]+\.md)\)", (DOCS / f"{page}.md").read_text()):
        assert (DOCS / target).exists(), target
