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
    "dockerfile",
    "bash",
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


def groups_of_pages() -> dict[str, list[str]]:
    """The pages of each group of the index, by the group's caption."""
    groups = {}
    for block in blocks("{toctree}"):
        if block.page == "index.md":
            options, _, listed = block.text.partition("\n\n")
            groups[options.partition(":caption: ")[2]] = listed.split()
    return groups


def test_the_index_has_four_kinds_of_pages_and_the_project() -> None:
    assert list(groups_of_pages()) == ["Tutorial", "How-to guides", "Reference", "Explanation", "Project"]


def test_every_page_is_of_one_kind() -> None:
    listed = [name for group in groups_of_pages().values() for name in group]
    # The recipes are listed by their own index, which is one page here.
    pages = {page.stem for page in PAGES.glob("*.md")} - {"index"} | {"recipes/index"}

    assert sorted(listed) == sorted(pages)


def test_what_the_index_explains_stands_before_its_table() -> None:
    before, _, after = read("index.md").partition("| you want to | read |")

    assert before.count("```python") == before.count("```django") == before.count("overview.svg") == 1
    assert "```python" not in after


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
