"""The names of `WebSocketView` that a subclass may define, and as what.

Any other definition would replace a check, or would be mistaken for a hook or a handler. So it is an
error when the class is created, whether the class itself, a class between or a mixin has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partialmethod
from inspect import get_annotations
from types import FunctionType, MappingProxyType
from typing import Final

from django.utils.functional import classproperty
from django.views.generic import View

from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.legacy.hooks import find_retired
from websocket_gateway.receiving.handlers import check_lists
from websocket_gateway.views.overrides import defined, problem_of_override

_FIXED: Final = {
    "handler_table": "set ALLOWED_HANDLERS",
    "http_method_names": "leave it out, API Gateway calls by POST alone",
    "view_is_async": "leave it out, handlers may be `def` or `async def`",
}
"""Public names that `WebSocketView` sets by itself -> what to do instead."""

_OF_EVERY_INSTANCE: Final = frozenset({"request", "args", "kwargs"})
"""The attributes that Django sets on a view for each request."""


def check_definitions(view: type, given: Mapping[str, object], *, base: type) -> None:
    """Raise `ConfigurationError` for wrong definitions in `view` or `given`, the arguments of `as_view()`."""
    retired = find_retired(view, base=base)
    misused = [*_misused(view, base), *_misused_in_call(view, given, base)]
    if retired or misused:
        pages = ["moving_over.md"] * bool(retired) + ["view.md"] * bool(misused)
        see = " and ".join(f"management_docs/{page}" for page in pages)
        raise ConfigurationError("\n".join([*retired, *misused, f"See {see}."]))
    check_lists(view, given)


def _misused(view: type, base: type) -> Iterator[str]:
    above = base.__mro__
    names = _names(base)
    hidden = set(names)
    for cls in view.__mro__:
        if cls in above:
            # `base` hides what comes later in the MRO, except names that only instances have.
            hidden -= {name for name in hidden if not name.startswith("_") and name in dir(base)}
            continue
        for name in sorted(hidden & vars(cls).keys()):
            value = vars(cls)[name]
            made_by_us = name == "handler_table" and type(value) is MappingProxyType
            problem = None if made_by_us else _problem(view, name, value, base)
            if problem:
                yield f"{cls.__qualname__}.{name} {problem}."


def _misused_in_call(view: type, given: Mapping[str, object], base: type) -> Iterator[str]:
    table: Mapping[str, object] = vars(view).get("handler_table", {})
    for name, value in given.items():
        problem = None
        if name in vars(View) and _is_overridable(name):
            problem = "is not a setting: override it in the class"
        elif name in _names(base):
            problem = _problem(view, name, value, base)
        elif name in table:
            problem = "is a handler: define it in the class"
        if problem:
            yield f"{view.__qualname__}.as_view({name}=...): {name} {problem}."


def _names(base: type) -> set[str]:
    """Return every name that `base` uses, without those of Python."""
    names = {name for cls in base.__mro__ if cls is not object for name in vars(cls)}
    annotated = {name for cls in base.__mro__ for name in get_annotations(cls)}
    return {
        name
        for name in names | annotated | _OF_EVERY_INSTANCE
        if not (name.startswith("__") and name.endswith("__"))
    }


def _is_overridable(name: str) -> bool:
    return not name.startswith("_") and name not in _FIXED


def _problem(view: type, name: str, value: object, base: type) -> str | None:
    """Describe the error of `value` under a name that `base` uses; None for no error."""
    if name.startswith("_"):
        return f"takes a private name of {base.__name__}: rename it, to `_own{name}` for example"
    advice = f"rename the method, to `{name}_message` for example; clients name a handler by its method"
    rename = advice if _is_no_value(value) else None
    if name in _FIXED:
        return f"would replace what {base.__name__} sets: {rename or _FIXED[name]}"
    if name in vars(View):
        return problem_of_override(view, name, value, base)
    if isinstance(defined(base, name), FunctionType):
        return None if _is_method(value) else "is a hook: define it as a method, or leave it out"
    if rename is None:
        return None
    if hasattr(base, name):
        return f"is a setting of {base.__name__}: give it a plain value, or {rename}"
    return f"is set by {base.__name__} for every event: {rename}"


def _is_no_value(value: object) -> bool:
    """Whether it is a method, a property or a class. The result of a `classproperty` is a value."""
    return not isinstance(value, classproperty) and (callable(value) or hasattr(type(value), "__get__"))


def _is_method(value: object) -> bool:
    if isinstance(value, (classmethod, partialmethod)):  # neither is callable itself
        return True
    return callable(value) and not isinstance(value, type)
