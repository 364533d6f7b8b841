"""Types of settings: callables that return the parsed value, or raise `ConfigurationError`.

Each takes the key, for its message, and the value.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from typing import Any
from urllib.parse import urlsplit

from websocket_gateway.exceptions import ConfigurationError

Parser = Callable[[str, object], object]


def setting(default: object, parse: Parser) -> Any:
    """A field of a dataclass of settings."""
    return field(default=default, metadata={"parse": parse})


def parse_mapping(cls: type, label: str, value: object) -> dict[str, Any]:
    """Turn a user's dict into the keyword arguments of `cls`, or raise an error that names the mistake."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{label} must be a dict, not {type(value).__name__}.")
    schema = {item.name.upper(): item for item in fields(cls) if "parse" in item.metadata}
    parsed: dict[str, Any] = {}
    for key, given in value.items():
        if key not in schema:
            close = difflib.get_close_matches(str(key).upper(), schema, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known keys: {', '.join(sorted(schema))}."
            raise ConfigurationError(f"{label} has the unknown key {key!r}.{hint}")
        parsed[schema[key].name] = schema[key].metadata["parse"](f"{label}[{key!r}]", given)
    return parsed


def number(minimum: int = 0, maximum: int | None = None, *, optional: bool = False) -> Parser:
    """Accept an integer in a range."""

    def parse(key: str, value: object) -> int | None:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigurationError(f"{key} must be an integer, not {value!r}.")
        if value < minimum or (maximum is not None and value > maximum):
            upper = "" if maximum is None else f" and at most {maximum}"
            raise ConfigurationError(f"{key} must be at least {minimum}{upper}, not {value!r}.")
        return value

    return parse


def text(choices: tuple[str, ...] = (), *, optional: bool = False) -> Parser:
    """Accept a string; an empty one counts as unset where None is allowed."""

    def parse(key: str, value: object) -> str | None:
        if optional and (value is None or value == ""):
            return None
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{key} must be a string, not {value!r}.")
        if choices and value not in choices:
            raise ConfigurationError(f"{key} must be one of {', '.join(choices)}, not {value!r}.")
        return value

    return parse


def optional_rate(key: str, value: object) -> float | None:
    """Accept a number of zero or more, or None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise ConfigurationError(f"{key} must be a number of zero or more, not {value!r}.")
    return float(value)


def text_or_empty(key: str, value: object) -> str:
    """Accept a string, also an empty one."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{key} must be a string, not {value!r}.")
    return value


def endpoint_url(key: str, value: object) -> str | None:
    """Accept a URL of http or https, and remove its last slash; None and "" mean unset."""
    if value is None or value == "":
        return None
    try:
        parts = urlsplit(str(value))
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ConfigurationError(f"{key} must be a URL such as http://127.0.0.1:9000, not {value!r}.")
    return str(value).rstrip("/")


def flag(key: str, value: object) -> bool:
    """Accept True or False."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{key} must be True or False, not {value!r}.")
    return value


def optional_flag(key: str, value: object) -> bool | None:
    """Accept True, False or None."""
    return None if value is None else flag(key, value)


def strings(key: str, value: object) -> tuple[str, ...]:
    """Accept a list of non-empty strings, as a tuple."""
    if isinstance(value, (str, bytes)) or not isinstance(value, (list, tuple, set, frozenset)):
        raise ConfigurationError(f"{key} must be a list of strings, not {value!r}.")
    if not all(isinstance(item, str) and item for item in value):
        raise ConfigurationError(f"{key} must hold only non-empty strings, not {value!r}.")
    return tuple(value)


def optional_strings(key: str, value: object) -> tuple[str, ...] | None:
    """Accept a list of non-empty strings, as a tuple, or None."""
    return None if value is None else strings(key, value)


def string_map(key: str, value: object) -> tuple[tuple[str, str], ...] | None:
    """Accept a dict of strings, as sorted pairs, or None."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not all(
        isinstance(name, str) and name and isinstance(content, str) for name, content in value.items()
    ):
        raise ConfigurationError(f"{key} must be a dict of strings, not {value!r}.")
    return tuple(sorted(value.items()))
