"""The files that a page shows: each block after a line that names it, as in "`web.json`:"."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from tests.docs.pages import read


def file_of(page: str, name: str) -> str:
    """The text of one file of a page: of the first block after the paragraph that begins with its name."""
    found = re.search(
        rf"^`{re.escape(name)}`(?:(?!\n\n)[^`]|`(?!``))*?:\n\n```\w+\n(.*?)^```",
        read(page),
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"{page} does not show {name}"
    return dedent(found[1])


def write(page: str, folder: Path, *names: str) -> None:
    """Write files of a page, as its reader does."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(file_of(page, name))
