"""The page on architecture is true: its floors are how the package imports, its picture names what exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "websocket_gateway"
PAGE = (ROOT / "management_docs/architecture.md").read_text()
PICTURE = ElementTree.parse(ROOT / "management_docs/images/architecture.svg").getroot()
FLOORS = [
    re.findall(r"`(\w+)`", cell)
    for cell in re.findall(r"^\| [a-z ]+ \| (`.+) \|$", PAGE.partition("## Floors")[2], flags=re.MULTILINE)
]
FLOOR_OF = {name: number for number, names in enumerate(FLOORS) for name in names}
ROOMS = {"planning", "models", "aws"}


class Import(NamedTuple):
    """An import of one of our top-level names by another, or of a stranger."""

    source: str
    target: str
    where: str
    late: bool


def imports() -> Iterator[Import]:
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if source in ("migrations", "__init__"):
            continue
        tree = ast.parse(path.read_text())
        at_once = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            for module in modules_of(node):
                parts = module.split(".")
                ours = parts[0] == "websocket_gateway" and len(parts) > 1
                target = parts[1] if ours else f"{parts[0]} (package)"
                where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                yield Import(source, target, where, id(node) not in at_once)


def modules_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        if node.module == "websocket_gateway":
            return [f"websocket_gateway.{alias.name}" for alias in node.names if alias.name != "__version__"]
        return [node.module or ""]
    return []


IMPORTS = list(imports())
OURS = [found for found in IMPORTS if found.target in FLOOR_OF and found.target != found.source]


def exists(name: str) -> bool:
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def test_every_package_and_module_stands_on_one_floor() -> None:
    there = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    assert sorted(name for names in FLOORS for name in names) == sorted(there - {"__init__", "migrations"})


def test_imports_go_down() -> None:
    up = [
        found.where
        for found in OURS
        if FLOOR_OF[found.source] > FLOOR_OF[found.target]
        and (found.source, found.target) != ("models", "services")
    ]

    assert len(OURS) > 200
    assert up == []


def test_the_one_exception_is_there_and_is_late() -> None:
    exceptions = [found for found in OURS if (found.source, found.target) == ("models", "services")]

    assert exceptions
    assert all(found.late for found in exceptions)


def test_none_of_the_three_rooms_imports_another() -> None:
    between = [found.where for found in OURS if {found.source, found.target} <= ROOMS]

    assert {FLOOR_OF[name] for name in ROOMS} == {3}
    assert between == []


@pytest.mark.parametrize(
    ("source", "strangers"),
    [
        pytest.param("planning", {"django", "boto3", "botocore"}, id="planning"),
        pytest.param("local", set(FLOOR_OF) - {"local"}, id="local"),
    ],
)
def test_a_package_keeps_away_from_what_the_page_says(source: str, strangers: set[str]) -> None:
    found = {item.target.removesuffix(" (package)") for item in IMPORTS if item.source == source}

    assert found
    assert found & strangers == set()


def test_only_aws_imports_boto3() -> None:
    importers = {item.source for item in IMPORTS if item.target in ("boto3 (package)", "botocore (package)")}

    assert importers == {"aws", "local"}


def texts(kind: str) -> list[str]:
    return [element.text or "" for element in PICTURE.iter() if kind in element.get("class", "")]


def test_the_picture_names_what_exists() -> None:
    named = [name for text in texts("architecture-code") for name in text.split(" · ")]

    assert {"views", "services", "planning", "models", "aws", "local"} <= set(named)
    assert [name for name in named if name != "client.js" and not exists(name)] == []
    assert (PACKAGE / "static/websocket_gateway/client.js").exists()


def test_the_arrows_of_the_picture_are_imports() -> None:
    arrows = [
        (element.get("data-from", ""), element.get("data-to", ""))
        for element in PICTURE.iter()
        if element.get("data-from")
    ]
    real = {(found.source, found.target) for found in OURS}

    assert len(arrows) == 10
    assert [arrow for arrow in arrows if arrow not in real] == []


def test_the_picture_can_be_read_aloud() -> None:
    spoken = {element.tag.rpartition("}")[2]: element for element in PICTURE}

    assert PICTURE.get("role") == "img"
    assert PICTURE.get("aria-labelledby") == f"{spoken['title'].get('id')} {spoken['desc'].get('id')}"
    assert all(part in (spoken["desc"].text or "") for part in ("API Gateway", "services", "task queue"))


def test_every_file_that_the_page_names_exists() -> None:
    named = re.findall(r"`([\w/]+(?:\.py|/))`", PAGE)

    assert len(named) > 15
    assert [name for name in named if not (PACKAGE / name).exists()] == []
