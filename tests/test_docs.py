"""The documentation is held against the code: what exists is described, on the page where one looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

from websocket_gateway import conf

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "management_docs"
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


def options_of(command: BaseCommand) -> set[str]:
    parser = command.create_parser("manage.py", "x")
    return {option for action in parser._actions for option in action.option_strings}


def own_options(name: str) -> Iterator[str]:
    yield from sorted(options_of(load_command_class("websocket_gateway", name)) - options_of(BaseCommand()))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_page_with_the_usual_headings(name: str) -> None:
    headings = re.findall(r"^## (.+)$", (PAGES / f"{name}.md").read_text(), re.MULTILINE)

    assert headings == HEADINGS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_stands_on_its_page(name: str) -> None:
    page = (PAGES / f"{name}.md").read_text()

    missing = [option for option in own_options(name) if not re.search(rf"`{option}\b", page)]

    assert missing == []


@pytest.mark.parametrize("name", COMMANDS)
def test_no_page_names_an_option_that_does_not_exist(name: str) -> None:
    table = (PAGES / f"{name}.md").read_text().partition("## Options")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(--[a-z-]+)", table))

    assert named <= options_of(load_command_class("websocket_gateway", name))


def test_every_setting_stands_in_the_settings_page_with_its_default() -> None:
    page = (PAGES / "settings.md").read_text()
    rows = {
        name: line
        for line in page.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([A-Z_]+)`", line.split("|")[1])
    }

    for schema in (conf.GatewaySettings, conf.GatewayOptions):
        for item in fields(schema):
            if not item.metadata:
                continue
            row = rows.pop(item.name.upper())
            if item.default is not None and not isinstance(item.default, tuple):
                shown = f'"{item.default}"' if isinstance(item.default, str) else str(item.default)
                assert f"`{shown}`" in row, row
    assert {name for name in rows if not name.startswith("AWS_")} == set()


def test_every_link_between_the_pages_leads_somewhere() -> None:
    broken = []
    for page in [*PAGES.glob("*.md"), *ROOT.glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            if not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")

    assert broken == []


def test_the_index_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\((\w+\.md)\)", (PAGES / "index.md").read_text()))

    assert linked == {page.name for page in PAGES.glob("*.md")} - {"index.md"}


def test_nothing_speaks_of_a_command_that_does_not_exist() -> None:
    sources = [*PAGES.glob("*.md"), ROOT / "README.md", *(ROOT / "websocket_gateway").rglob("*.py")]
    planned = {"sync_routes", "purge_connections", "check_ws_settings", "delete_gateway"} - set(COMMANDS)

    found = [
        f"{path.name}: {name}"
        for path in sources
        for name in planned
        if re.search(rf"\b{name}\b", path.read_text())
    ]

    assert found == []
