"""The page on architecture is true: its layers are those of the contracts, its picture shows real imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "websocket_gateway"
PAGE = (ROOT / "management_docs/architecture.md").read_text()
PICTURE = ElementTree.parse(ROOT / "management_docs/images/architecture.svg").getroot()


def layers_of_the_contract() -> list[set[str]]:
    listed = re.search(
        r"^layers = \[\n(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL | re.MULTILINE
    )
    assert listed
    return [set(re.findall(r"\w+", row)) for row in re.findall(r'"(.+)"', listed[1])]


def layers_of_the_page() -> list[set[str]]:
    table = PAGE.partition("## Layers")[2]
    return [
        set(re.findall(r"`(\w+)`", row))
        for row in re.findall(r"^\| [a-zA-Z -]+ \| (`.+) \|$", table, re.MULTILINE)
    ]


def imports() -> Iterator[tuple[str, str]]:
    """Pairs of top-level names: what imports, and what is imported."""
    for path in PACKAGE.rglob("*.py"):
        source = path.relative_to(PACKAGE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(
                "websocket_gateway"
            ):
                continue
            _, _, below = (node.module or "").partition(".")
            for alias in node.names:
                yield source, (below or alias.name).split(".")[0]


def texts(kind: str) -> list[str]:
    return [element.text or "" for element in PICTURE.iter() if kind in element.get("class", "")]


def test_the_layers_of_the_page_are_those_of_the_contract() -> None:
    assert len(layers_of_the_contract()) > 10
    assert layers_of_the_page() == layers_of_the_contract()


def test_every_package_and_module_stands_in_one_layer() -> None:
    there = {
        path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    placed = [name for names in layers_of_the_page() for name in names]

    assert sorted(placed) == sorted(there - {"__init__"})


def test_the_picture_names_what_exists() -> None:
    named = [name for text in texts("architecture-code") for name in text.split(" · ")]

    assert {"views", "receiving", "provisioning", "sending", "connections", "models", "aws", "local"} <= set(
        named
    )
    missing = [
        name for name in named if not any((PACKAGE / found).exists() for found in (name, f"{name}.py"))
    ]
    assert missing == ["client.js"]
    assert (PACKAGE / "static/websocket_gateway/client.js").exists()


def test_the_arrows_of_the_picture_are_imports() -> None:
    arrows = [
        (element.get("data-from", ""), element.get("data-to", ""))
        for element in PICTURE.iter()
        if element.get("data-from")
    ]

    assert len(arrows) == 11
    assert [arrow for arrow in arrows if arrow not in set(imports())] == []


def test_the_picture_can_be_read_aloud() -> None:
    spoken = {element.tag.rpartition("}")[2]: element for element in PICTURE}

    assert PICTURE.get("role") == "img"
    assert PICTURE.get("aria-labelledby") == f"{spoken['title'].get('id')} {spoken['desc'].get('id')}"
    assert all(part in (spoken["desc"].text or "") for part in ("API Gateway", "provisioning", "task queue"))


def test_every_file_that_the_page_names_exists() -> None:
    named = re.findall(r"`([\w/]+(?:\.py|/))`", PAGE)

    assert len(named) > 12
    assert [name for name in named if not (PACKAGE / name).exists()] == []
