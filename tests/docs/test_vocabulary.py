"""Permissions, extras, columns, quirks, variables: each stands on the page where one looks for it."""

from __future__ import annotations

import configparser
import importlib
import inspect
import re
from dataclasses import fields
from types import ModuleType

import pytest
from django.apps import apps

from tests.docs.pages import PAGES, ROOT, names, read
from websocket_gateway.sending import reports

APP = apps.get_app_config("websocket_gateway")
# What tests hand to processes that they start.
TO_CHILDREN = {f"WEBSOCKET_GATEWAY_TEST_{name}" for name in ("QUEUE", "HANGING", "OVERRIDES")}


def test_every_permission_of_ours_stands_in_the_page_of_the_admin_and_no_other() -> None:
    own = {codename for model in APP.get_models() for codename, _ in model._meta.permissions}
    table = read("admin.md").partition("| permission of")[2].partition("\n\n")[0]
    cells = [name for line in table.splitlines()[1:] for name in names(line.split("|")[1])]
    written = {name for name in cells if not name.endswith("…")}

    assert own <= written
    defaults = {
        f"{verb}_{model._meta.model_name}"
        for model in APP.get_models()
        for verb in model._meta.default_permissions
    }
    assert written <= own | defaults


def test_every_extra_stands_in_the_readme_with_what_it_is_for() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = set(config["options.extras_require"])

    table = read("README.md").partition("| extra |")[2].partition("\n\n")[0]
    assert extras == {
        name for line in table.splitlines() if line[:3] == "| `" for name in names(line.split("|")[1])
    }
    spoken_of = {
        name
        for page in PAGES.glob("*.md")
        for name in re.findall(r"django-websocket-gateway\[(\w+)\]", page.read_text())
    }
    assert spoken_of <= extras


def test_every_figure_of_a_report_stands_in_the_page_on_sending() -> None:
    page = read("sending.md")
    public = {item.name for item in fields(reports.DeliveryReport)}
    public |= {name for name, value in vars(reports.DeliveryReport).items() if isinstance(value, property)}

    assert [name for name in public if name[0] != "_" and f"`{name}" not in page] == []


def test_every_name_in_the_reference_can_be_imported() -> None:
    found = re.findall(r"^\.\. auto(\w+):: ([\w.]+)$", read("reference.md"), re.MULTILINE)

    assert found
    for kind, path in found:
        if kind == "module":
            importlib.import_module(path)
        else:
            module, _, name = path.rpartition(".")
            assert hasattr(importlib.import_module(module), name), path


@pytest.mark.parametrize(
    "package", ["channels", "connections", "diagnostics", "provisioning", "purging", "sending"]
)
def test_every_public_name_of_a_package_is_in_the_reference(package: str) -> None:
    path = f"websocket_gateway.{package}"
    listed = re.findall(rf"^\.\. auto\w+:: {re.escape(path)}\.([\w.]+)$", read("reference.md"), re.MULTILINE)

    offered = importlib.import_module(path)
    expected: list[str] = []
    for name in offered.__all__:
        found = getattr(offered, name)
        expected += public_functions(found) if inspect.ismodule(found) else [name]

    assert sorted(listed) == sorted(expected)


def public_functions(module: ModuleType) -> list[str]:
    """The functions of a public module, each with the module's own name, as `history.position`."""
    return [
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for name, found in vars(module).items()
        if inspect.isfunction(found) and found.__module__ == module.__name__ and not name.startswith("_")
    ]


def test_every_name_that_a_page_imports_is_in_the_reference() -> None:
    reference = read("reference.md")
    listed = set(re.findall(r":: ([\w.]+)$", reference, re.MULTILINE))
    public = {"websocket_gateway.views", "websocket_gateway.testing", "websocket_gateway.purging"}

    missing = set()
    for page in [*PAGES.rglob("*.md"), ROOT / "README.md"]:
        for module, imported in re.findall(
            r"from (websocket_gateway[\w.]*) import ([\w, ]+)", page.read_text()
        ):
            for name in imported.split(","):
                path = f"{module}.{name.strip()}"
                modules = {name.rpartition(".")[0] for name in listed}
                if not ({module, path} & listed or path in modules or module in public):
                    missing.add(f"{page.name}: {path}")

    assert missing == set()


def test_contributing_names_every_variable_of_the_tests_and_no_other() -> None:
    sources = [*(ROOT / "tests").rglob("*.py"), ROOT / ".ci" / "run"]
    pattern = r"\bWEBSOCKET_GATEWAY_TEST_[A-Z]+\b"
    read_by_tests = {name for path in sources for name in re.findall(pattern, path.read_text())} - TO_CHILDREN
    page = read("CONTRIBUTING.md")
    written = set(re.findall(pattern, page)) | {
        f"WEBSOCKET_GATEWAY_TEST_{name}" for name in re.findall(r"`…_([A-Z]+)`", page)
    }

    assert written == read_by_tests


def test_every_target_of_make_says_what_it_is_for() -> None:
    makefile = read("Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))

    assert targets == set(re.findall(r"^([a-z]+):.*## \S", makefile, re.MULTILINE))
