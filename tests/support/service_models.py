"""Has botocore read its descriptions of the services once in a process, not once in each session.

Every changed setting makes the package forget its session, so that most tests that call AWS make a new one.
Reading the descriptions took seven eighths of the processor time for that.
"""

from __future__ import annotations

from typing import Any

from botocore import loaders, session

_made = session.create_loader
_caches: dict[str | None, dict[Any, Any]] = {}


def _create_loader(search_path_string: str | None = None) -> loaders.Loader:
    loader = _made(search_path_string)
    vars(loader)["_cache"] = _caches.setdefault(search_path_string, {})
    return loader


def read_once() -> None:
    """Let all loaders with the same search path share what they have read."""
    session.create_loader = _create_loader
