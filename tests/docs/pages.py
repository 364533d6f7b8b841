"""The pages as data: headings, tables, links, and the fenced blocks with their languages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "management_docs"
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def read(name: str) -> str:
    """The text of a page: `view.md`, or one beside the package, such as `README.md`."""
    page = PAGES / name
    return (page if page.exists() else ROOT / name).read_text()


def all_pages() -> list[Path]:
    """Every page of the site, and the documents beside the package."""
    return [*sorted(PAGES.glob("*.md")), *sorted(PAGES.glob("recipes/*.md")), *sorted(ROOT.glob("*.md"))]


def name_of(page: Path) -> str:
    """As `read` takes it: `view.md`, `recipes/live_list.md`, `README.md`."""
    return str(page.relative_to(PAGES if page.is_relative_to(PAGES) else ROOT))


def blocks(*languages: str) -> list[Block]:
    """Every fenced block of every page, or those in these languages."""
    found = []
    for page in all_pages():
        text = page.read_text()
        for match in _FENCE.finditer(text):
            line = text[: match.start()].count("\n") + 1
            found.append(Block(name_of(page), line, match["language"].strip(), dedent(match["text"])))
    return [block for block in found if not languages or block.language in languages]


def blocks_of(page: str, language: str) -> list[Block]:
    """The blocks of one page in one language, from top to bottom."""
    found = [block for block in blocks(language) if block.page == page]
    assert found, f"{page} has no block in {language}"
    return found


def prose(page: str) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", read(page))


def section(page: str, heading: str) -> str:
    """What stands below a heading, down to the next of its level or a higher one; empty if there is none."""
    text = read(page)
    # A comment in a block looks like a heading.
    blanked = _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    level = len(heading.split()[0])
    found = re.search(
        rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{level}}} |\Z)", blanked, re.MULTILINE | re.DOTALL
    )
    return text[slice(*found.span(1))] if found else ""


def table_rows(text: str) -> Iterator[list[str]]:
    """The cells of every row below the rule of a table, with their bars unescaped."""
    for table in re.finditer(r"^\|[-| :]+\|\n((?:\|.*\|\n?)*)", text, re.MULTILINE):
        for line in table[1].splitlines():
            yield [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page."""
    lines = [line for line in read(page).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def names(cell: str) -> list[str]:
    """What stands in backticks in a text."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", cell)


def manage_lines(block: Block) -> Iterator[list[str]]:
    """The words after `manage.py` of every command line in a block."""
    for line in block.text.splitlines():
        if block.language == "console" and not line.startswith("$ "):
            continue
        if match := re.search(r"\bmanage\.py (.+)", line):
            words = shlex.split(match[1], comments=True)
            ends = [n for n, word in enumerate(words) if word in ("|", ">", ">>", "&", "&&")]
            yield words[: ends[0]] if ends else words
