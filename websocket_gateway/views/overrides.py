"""Overrides of the methods of Django's `View`: what they must do, read from their code."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from functools import partial, partialmethod
from inspect import iscoroutinefunction
from types import CodeType, FunctionType

_PUT_OFF = {"EXTENDED_ARG", "NOP"}
"""Instructions that may stand between the load of `self` and of its attribute."""


def defined(base: type, name: str) -> object:
    """The definition of `name` in `base` or a class above it; None if there is none."""
    owner = _owner(base, name)
    return vars(owner)[name] if owner is not None else None


def problem_of_override(view: type, name: str, value: object, base: type) -> str | None:
    """Describe the error of an override of a method of Django's `View`. It must call the method above."""
    if iscoroutinefunction(value):
        return "must be `def`, not `async def`"
    if isinstance(defined(base, name), classmethod) and not isinstance(value, classmethod):
        return f"must be a classmethod; a handler needs another name, `{name}_message` for example"
    if not _calls_the_one_above(view, name, value, base):
        return (
            f"would replace a method of {base.__name__}: call `super().{name}(...)` in it; "
            f"a handler needs another name, `{name}_message` for example"
        )
    if name in ("setup", "dispatch") and any(_reads_body(item, name) for item in _functions(value)):
        return (
            "reads `self.body`, which is still empty there: check it in `has_any_permission(request)`, "
            "which is called for every message"
        )
    return None


def _owner(cls: type, name: str) -> type | None:
    return next((above for above in cls.__mro__ if name in vars(above)), None)


def _calls_the_one_above(view: type, name: str, value: object, base: type) -> bool:
    """Whether a function, or one that it wraps, uses `super` or a class above, and the method; or is it."""
    layers = {cls.__name__ for cls in view.__mro__ if issubclass(cls, base)}
    for item in _unwrapped(value):
        if item is defined(base, name):
            return True
        if isinstance(item, FunctionType):
            used = _names_in(item.__code__)
            if name in used and (
                used & {"super", *layers} or _names_a_class_above(item, used, view, name, base)
            ):
                return True
    return False


def _names_a_class_above(function: FunctionType, used: set[str], view: type, name: str, base: type) -> bool:
    """Whether one of the names that are used stands for a class of `view` that has the checks in `name`."""
    enclosed = dict(_closure(function))
    for found in (enclosed.get(item, function.__globals__.get(item)) for item in used):
        if not isinstance(found, type) or found not in view.__mro__:
            continue
        # A class that is not Django's is looked at by itself.
        if issubclass(found, base) or _owner(found, name) not in (None, *base.__mro__):
            return True
    return False


def _functions(value: object) -> Iterator[FunctionType]:
    return (item for item in _unwrapped(value) if isinstance(item, FunctionType))


def _unwrapped(value: object) -> Iterator[object]:
    """Yield `value` and all that decorators have wrapped in it."""
    todo, seen = [value], set()
    while todo:
        item = todo.pop()
        if id(item) not in seen:
            seen.add(id(item))
            yield item
            todo += _wrapped(item)


def _wrapped(item: object) -> Iterator[object]:
    """Yield what a decorator may have wrapped: by its attributes, or in its closure."""
    for attribute in ("__wrapped__", "__func__"):
        if hasattr(item, attribute):
            yield getattr(item, attribute)
    if isinstance(item, (partial, partialmethod)):
        yield item.func
    if isinstance(item, FunctionType):
        yield from (found for _, found in _closure(item) if callable(found) and not isinstance(found, type))


def _closure(function: FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # still empty
            continue


def _names_in(code: CodeType) -> set[str]:
    """Return the names that a function uses, including nested functions."""
    names = {*code.co_names, *code.co_freevars}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names_in(constant)
    return names


def _reads_body(function: FunctionType, name: str) -> bool:
    """Whether `self.body` is read in `setup`, or in `dispatch` before the last call of the method above."""
    code = function.__code__
    if not code.co_argcount or code.co_name != name:  # a decorator's function may take the request first
        return False
    steps = list(_steps(code, code.co_varnames[0], name))
    if name == "dispatch" and "call" in steps:
        steps = steps[: len(steps) - steps[::-1].index("call")]
    return "read" in steps


def _steps(code: CodeType, itself: str, name: str) -> Iterator[str]:
    """Yield `read` for each load of `body` from `itself` and `call` for each of `name`, in order."""
    loaded: object = None
    for item in dis.get_instructions(code):
        if isinstance(item.argval, CodeType):
            yield from _steps(item.argval, itself, name)
        elif item.opname.startswith(("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")):
            if item.argval == name:
                yield "call"
            elif item.argval == "body" and loaded == itself:
                yield "read"
        if item.opname not in _PUT_OFF:
            is_name = item.opname.startswith(("LOAD_FAST", "LOAD_DEREF"))
            loaded = item.argval[-1] if is_name and isinstance(item.argval, tuple) else item.argval
            loaded = loaded if is_name else None
