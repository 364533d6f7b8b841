"""Adds to Sphinx's HTML what screen readers and keyboards need, and axe-core misses.

* Code and tables that are wider than the window scroll: they can be focused, and then the arrow keys scroll
  them.
* The captions of the navigation are headings, of level 2.
* The parameters of a long signature are a list of lines, without terms: no definitions for a screen reader.
"""

from __future__ import annotations

from typing import Any

IN_THE_BODY = {
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
    "<dl>\n<dd><em class=": '<dl role="presentation">\n<dd><em class=',
}
CAPTION = 'class="caption" role="heading"'
NAVIGATION = "furo_navigation_tree"
AFTER_THE_THEME = 900


def with_help(body: str) -> str:
    """The same text of a page, with these attributes."""
    for bare, helped in IN_THE_BODY.items():
        body = body.replace(bare, helped)
    return body


def _on_page(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if "body" in context:
        context["body"] = with_help(context["body"])
    if NAVIGATION in context:
        context[NAVIGATION] = context[NAVIGATION].replace(CAPTION, f'{CAPTION} aria-level="2"')


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("html-page-context", _on_page, priority=AFTER_THE_THEME)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
