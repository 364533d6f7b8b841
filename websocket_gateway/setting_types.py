"""Types of settings: callables that return the parsed value, or raise `ConfigurationError`.

Each takes the key, for its message, and the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from websocket_gateway.exceptions import ConfigurationError


@dataclass(frozen=True, slots=True)
class Number:
    """Accept an integer in a range."""

    minimum: int = 0
    maximum: int | None = None
    optional: bool = False

    def __call__(self, key: str, value: object) -> int | None:
        if value is None and self.optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise ConfigurationError(f"{key} must be an integer, not {value!r}.")
        if value < self.minimum or (self.maximum is not None and value > self.maximum):
            upper = "" if self.maximum is None else f" and at most {self.maximum}"
            raise ConfigurationError(f"{key} must be at least {self.minimum}{upper}, not {value!r}.")
        return value


@dataclass(frozen=True, slots=True)
class Rate:
    """Accept a number of zero or more, or None."""

    def __call__(self, key: str, value: object) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
            raise ConfigurationError(f"{key} must be a number of zero or more, not {value!r}.")
        return float(value)


@dataclass(frozen=True, slots=True)
class Text:
    """Accept a string; an empty one counts as unset where None is allowed."""

    choices: tuple[str, ...] = ()
    optional: bool = False

    def __call__(self, key: str, value: object) -> str | None:
        if self.optional and (value is None or value == ""):
            return None
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{key} must be a string, not {value!r}.")
        if self.choices and value not in self.choices:
            raise ConfigurationError(f"{key} must be one of {', '.join(self.choices)}, not {value!r}.")
        return value


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
        isinstance(name, str) and name and isinstance(text, str) for name, text in value.items()
    ):
        raise ConfigurationError(f"{key} must be a dict of strings, not {value!r}.")
    return tuple(sorted(value.items()))
