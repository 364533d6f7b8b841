"""Public names of a package that are imported at their first use: a process loads only what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def importing(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of a package: `modules` has the module of each of its public names.

    https://peps.python.org/pep-0562/
    """

    def find(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{modules[name]}"), name)

    return find
