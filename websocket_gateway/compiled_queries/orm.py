"""What both kinds of compiled queries expect of Django's compiler, whose names are private."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from django.db.models.sql.compiler import SQLCompiler

_WRITING: Final = ("as_sql", "compile", "quote_name_unless_alias")
"""Methods of the compiler that must be Django's. Those of a library could write another statement."""
_READING: Final = (
    *("execute_sql", "results_iter", "get_converters", "apply_converters"),
    *("has_composite_fields", "composite_fields_to_tuples"),
)
"""Methods that this package replaces. No database backend, not even one of Django, must have its own."""


class UnexpectedError(Exception):
    """The ORM does not compile the query as this package expects."""


def is_djangos(method: object) -> bool:
    """Whether a method is Django's. That of a library could write another statement: a condition, a table."""
    # A decorated method has the name and module of the original, but the globals of the library.
    name: str = getattr(method, "__globals__", {}).get("__name__", "")
    return name.startswith("django.db.")


def check_compiler(compiler: SQLCompiler) -> None:
    """Raise `UnexpectedError` unless the compiler of a lookup writes and reads as Django's own."""
    # Not at the top: Django imports it for the first query, and `manage.py check`, for one, makes none.
    from django.db.models.sql import compiler as orm_compiler

    written = [(name, getattr(compiler, name)) for name in _WRITING]
    for name, method in (*written, ("quote_name", compiler.connection.ops.quote_name)):
        if not is_djangos(method):
            raise UnexpectedError(f"{name} is not Django's")
    for name in _READING:
        if getattr(getattr(compiler, name), "__globals__", None) is not vars(orm_compiler):
            raise UnexpectedError(f"{name} is not Django's own")
