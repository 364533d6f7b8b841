"""Every page is in the index, every link leads to a page and a heading, and every block says what it is."""

from __future__ import annotations

import re

from tests.docs.pages import PAGES, all_pages, blocks, name_of, read

LANGUAGES = {
    "python",
    "sh",
    "console",
    "text",
    "json",
    "yaml",
    "js",
    "ts",
    "tsx",
    "html",
    "django",
    "ini",
    "sql",
    "nginx",
    "diff",
}


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    broken = []
    for page in all_pages():
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
            found = page.parent / target if target else page
            if not found.exists() or (anchor and anchor not in anchors(found.read_text())):
                broken.append(f"{name_of(page)}: {target}#{anchor}")

    assert broken == []


def test_the_index_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\((\w+\.md)\)", read("index.md")))

    assert linked == {page.name for page in PAGES.glob("*.md")} - {"index.md"}


def test_the_index_of_the_recipes_leads_to_each_of_them() -> None:
    pages = {page.stem for page in PAGES.glob("recipes/*.md")} - {"index"}
    text = read("recipes/index.md")

    assert "](recipes/index.md)" in read("index.md")
    assert set(re.findall(r"^\|.*\]\((\w+)\.md\)", text, re.MULTILINE)) == pages
    assert set(text.partition(":hidden:")[2].split()) - {"```"} == pages


def test_every_block_says_in_which_language_it_is() -> None:
    directives = re.compile(r"\{[a-z-]+\}")

    unknown = [
        f"{block}: {block.language!r}"
        for block in blocks()
        if block.language not in LANGUAGES and not directives.match(block.language)
    ]

    assert unknown == []


def test_every_picture_is_there_and_is_used() -> None:
    used = {
        name
        for page in all_pages()
        for name in re.findall(
            r"(?:!\[[^\]]+\]\(|^:file: )(?:management_docs/)?images/([\w.]+)", page.read_text(), re.MULTILINE
        )
    }

    assert used == {path.name for path in (PAGES / "images").iterdir()}
