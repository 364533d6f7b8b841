"""Every command has its page, every option stands on it, and no page speaks of one that does not exist."""

from __future__ import annotations

import re

import pytest
from django.core.management import CommandError, get_commands, load_command_class
from django.core.management.base import BaseCommand

from tests.docs.pages import ROOT, all_pages, blocks, manage_lines, read

COMMANDS = sorted(
    path.stem
    for path in (ROOT / "websocket_gateway/management/commands").glob("*.py")
    if not path.stem.startswith("_")
)
HEADINGS = [
    "What it does, and when to use it",
    "Synopsis",
    "Options",
    "Output",
    "Exit codes, IAM permissions, what goes wrong",
]
PLACEHOLDERS = r"[\[\]|…]"


def options_of(command: BaseCommand) -> set[str]:
    parser = command.create_parser("manage.py", "x")
    return {option for action in parser._actions for option in action.option_strings}


def own_options(name: str) -> set[str]:
    return options_of(load_command_class("websocket_gateway", name)) - options_of(BaseCommand())


def section(name: str, heading: str) -> str:
    return read(f"{name}.md").partition(f"## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_page_with_the_usual_headings(name: str) -> None:
    headings = re.findall(r"^## (.+)$", read(f"{name}.md"), re.MULTILINE)

    assert headings == HEADINGS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_stands_on_its_page(name: str) -> None:
    page = read(f"{name}.md")

    missing = [option for option in sorted(own_options(name)) if not re.search(rf"`{option}\b", page)]

    assert missing == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_page_names_an_option_that_does_not_exist(name: str) -> None:
    named = set(re.findall(r"`(--[a-z-]+)", section(name, "Options")))
    written = set(re.findall(r"--[a-z][a-z-]+", section(name, "Synopsis")))

    assert named | written <= options_of(load_command_class("websocket_gateway", name))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_and_the_index_lead_to_a_command(name: str) -> None:
    assert f"](management_docs/{name}.md)" in read("README.md")
    assert f"({name}.md)" in read("index.md")


def test_every_command_line_on_every_page_is_understood() -> None:
    """No page has an example that the command would refuse as wrong usage."""
    seen = 0
    for block in blocks("sh", "console"):
        for name, *words in manage_lines(block):
            if name not in COMMANDS or re.search(PLACEHOLDERS, " ".join(words)):
                continue
            seen += 1
            command = load_command_class("websocket_gateway", name)
            try:
                command.create_parser("manage.py", name).parse_args(words)
            except CommandError as exc:
                pytest.fail(f"{block}: {name} {words}: {exc}")
    assert seen > 30


def test_every_command_that_a_page_has_typed_exists() -> None:
    known = {*get_commands(), "demo", "db_worker", "rqworker"}

    unknown = {
        f"{block}: {words[0]}"
        for block in blocks("sh", "console")
        for words in manage_lines(block)
        if words[0] not in known
    }
    spoken_of = {
        f"{page.name}: {name}"
        for page in all_pages()
        for name in re.findall(r"`(?:python )?manage\.py ([a-z_]+)", page.read_text())
        if name not in known
    }

    assert unknown | spoken_of == set()
