"""The files of a recipe: the blocks of its page, after those of the project around all recipes."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

from django.core.management import call_command

from tests.docs.pages import Block, blocks

_NAME = re.compile(r"(?:# |// |\{# )(?P<name>[\w./]+\.\w+)(?: #\})?\n")
FRAMEWORK = "django.tasks" if find_spec("django.tasks") else "django_tasks"
_APPENDED = "project/settings.py"


def file_of(block: Block) -> tuple[str, str] | None:
    """The name in the first line of a block and the rest of it; None for a block that is not a file."""
    found = _NAME.match(block.text)
    return (found["name"], block.text[found.end() :]) if found else None


def files_of(page: str) -> list[tuple[str, str]]:
    """Name and text of each file of a page, such as `recipes/live_list.md`, in its order."""
    found = [file_of(block) for block in blocks() if block.page == page]
    return [item for item in found if item]


def write_project(page: str, folder: Path) -> None:
    """A new project with the files of a page."""
    call_command("startproject", "project", folder)
    write_files(page, folder)


def write_files(page: str, folder: Path) -> None:
    """The files of the index and of the page, in a new project."""
    for name, text in [*files_of("recipes/index.md"), *files_of(page)]:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name == _APPENDED:
            text = f"{file.read_text()}\n{text}"
        elif file.suffix == ".py":
            (file.parent / "__init__.py").touch()
        # As the pages tell those who have an older Django.
        file.write_text(text.replace("from django.tasks import", f"from {FRAMEWORK} import"))
