"""One way to install on all pages; the way until the package is on PyPI stands in the README alone."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, all_pages, read

START, END = "<!-- checkout -->", "<!-- end of checkout -->"
SOURCES = sorted((ROOT / "websocket_gateway").rglob("*.py"))
LINES = {
    f"{path.relative_to(ROOT)}: {line.strip()}"
    for path in [*all_pages(), *SOURCES]
    for line in path.read_text().splitlines()
    if "pip install" in line and path.name != "CHANGELOG.md"
}
OURS = re.compile(r"pip install (?:'django-websocket-gateway\[\w+\]'|django-websocket-gateway)(?![\w\[-])")


@pytest.mark.parametrize("line", sorted(line for line in LINES if "django-websocket-gateway" in line))
def test_the_package_is_installed_by_its_name_in_quotes(line: str) -> None:
    assert OURS.search(line)


def test_the_checkout_is_named_in_one_place() -> None:
    before, between, after = re.split(f"{START}|{END}", read("README.md"))
    from_a_checkout = re.compile(r"pip install (?:-e |--editable )?'?(?:\.|CHECKOUT)")

    assert "pip install 'CHECKOUT[local]'" in between
    assert "PyPI" in between
    assert [line for line in LINES if from_a_checkout.search(line)] == [
        line for line in LINES if "'CHECKOUT[local]'" in line
    ]
    assert "CHECKOUT" not in before + after
    assert before.rpartition("\n## ")[2].startswith("Install\n")


def test_other_pages_include_that_place() -> None:
    assert f':start-after: "{START}"' in read("tutorial.md")
    assert [page.name for page in all_pages() if "CHECKOUT" in page.read_text()] == ["README.md"]


@pytest.mark.parametrize(
    "text",
    [
        "pip install django-websocket-gateway[local]",
        "pip install 'django-websocket-gateway[local]",
        "pip install django-websocket-gateways",
    ],
)
def test_other_spellings_are_found(text: str) -> None:
    assert not OURS.search(text)
