"""Lets long names in tables break behind their underscores, dots and slashes, so that tables fit a phone.

`<wbr>` is no letter: a name that is copied or searched for is still in one piece.
"""

from __future__ import annotations

import re
from typing import Any

CELL = re.compile(r"<td>.*?</td>", re.DOTALL)
NAME = re.compile(r'(?<=<span class="pre">)[^<]+(?=</span>)')
BEHIND = re.compile(r"(?<=[a-zA-Z0-9])([_./=]+)(?=[a-zA-Z0-9])")


def break_names(html: str) -> str:
    """The same page, with places to break in the names of its table cells."""
    return CELL.sub(lambda cell: NAME.sub(lambda name: BEHIND.sub(r"\1<wbr>", name[0]), cell[0]), html)


def _on_page(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        context["body"] = break_names(context["body"])


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("html-page-context", _on_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
