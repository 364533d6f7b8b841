"""Every command has its page, every option stands on it, and no page speaks of one that does not exist."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandParser

from tests.docs.pages import (
    ROOT,
    all_pages,
    blocks,
    manage_lines,
    name_of,
    names,
    prose,
    read,
    section,
    table_rows,
)

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


def parser_of(name: str) -> CommandParser:
    return load_command_class("websocket_gateway", name).create_parser("manage.py", name)


def option_rows(name: str) -> list[list[str]]:
    return list(table_rows(section(f"{name}.md", "## Options")))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_page_with_the_usual_headings(name: str) -> None:
    headings = re.findall(r"^## (.+)$", read(f"{name}.md"), re.MULTILINE)

    assert headings == HEADINGS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_tables_of_options_are_the_list_of_options(name: str) -> None:
    written = {option for row in option_rows(name) for option in re.findall(r"--[a-z-]+", row[0])}

    assert written == own_options(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_synopsis_has_every_option_and_no_other(name: str) -> None:
    synopsis = section(f"{name}.md", "## Synopsis").split("```")[1].removeprefix("text")
    written = set(re.findall(r"--[a-z-]+", synopsis))

    assert written <= own_options(name)
    if "[options]" not in synopsis:
        assert own_options(name) - written <= {"--noinput"}


@pytest.mark.parametrize("name", COMMANDS)
def test_choices_and_defaults_stand_beside_their_option(name: str) -> None:
    beside = {
        option: " ".join(row) for row in option_rows(name) for option in re.findall(r"--[a-z-]+", row[0])
    }

    for action in parser_of(name)._actions:
        for option in set(action.option_strings) & own_options(name):
            if action.choices:
                assert "|".join(action.choices) in beside[option], option
            if action.default and type(action.default) in (int, float):
                assert re.search(rf"\b{action.default:g}\b", beside[option]), option


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_every_exit_status_that_the_command_has(name: str) -> None:
    text = section(f"{name}.md", "## Exit codes, IAM permissions, what goes wrong")
    told = {row[0] for row in table_rows(text) if row[0].isdecimal()} | set(
        re.findall(r"(?:^|\. )(\d) \w", text, re.MULTILINE)
    )
    module = inspect.getfile(type(load_command_class("websocket_gateway", name)))
    source = Path(module).read_text()
    for helper in re.findall(r"from websocket_gateway\.management\.(\w+) import", source):
        source += (ROOT / f"websocket_gateway/management/{helper}.py").read_text()
    given = set(re.findall(r"returncode=(\d+)", source))

    assert given | {"0", "1", "2"} <= told <= given | {"0", "1", "2"}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_and_the_index_lead_to_a_command(name: str) -> None:
    assert f"](management_docs/{name}.md)" in read("README.md")
    assert f"\n{name}\n" in read("index.md")


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
    known = {*get_commands(), "demo", "db_worker", "rqworker", "tenant_command", "all_tenants_command"}

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


@pytest.mark.parametrize("page", all_pages(), ids=name_of)
def test_every_option_that_is_named_with_its_command_exists(page: Path) -> None:
    wrong = []
    for span in names(prose(name_of(page))):
        name, *words = span.removeprefix("python ").removeprefix("manage.py ").split() or [""]
        if name in COMMANDS:
            named = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z-]+(=.*)?", word)}
            wrong += [span] if named - options_of(load_command_class("websocket_gateway", name)) else []

    assert wrong == []
