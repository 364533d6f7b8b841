"""Argparse types: a wrong argument is an error before any work is done, with exit status 2."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

from django.core.exceptions import ValidationError

from websocket_gateway import validators
from websocket_gateway.frames import parse_json

T = TypeVar("T")


def tag(value: str) -> tuple[str, str]:
    """Parse `key=value`; the value may be empty and may hold further equals signs."""
    key, separator, text = value.partition("=")
    if not separator or not key:
        raise ArgumentTypeError(f"{value!r} is not a tag: write key=value.")
    _checked(validators.validate_tags, {key: text})
    return key, text


def api_id(value: str) -> str:
    """The id of an API; not empty, as the value of an unset variable is."""
    if not value.strip():
        raise ArgumentTypeError("an empty string is not an API id.")
    return value.strip()


def http_url(value: str) -> str:
    """An absolute http or https URL with a host."""
    _checked(validators.validate_http_url, value)
    return value


def stage_name(value: str) -> str:
    """A stage name that API Gateway accepts."""
    _checked(validators.validate_stage_name, value)
    return value


def region_name(value: str) -> str:
    """The name of a region of AWS."""
    if not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]+", value):
        raise ArgumentTypeError(f"{value!r} is not a region, such as eu-central-1.")
    return value


def domain_name(value: str) -> str:
    """A host name in lower case, such as ws.example.com; empty removes the domain."""
    if value:
        _checked(validators.validate_domain_name, value)
    return value


def mapping_key(value: str) -> str:
    """A path of a custom domain; empty removes the key."""
    if value:
        _checked(validators.validate_mapping_key, value)
    return value


def channel_name(value: str) -> str:
    """A channel name: 1 to 191 printable characters."""
    _checked(validators.validate_channel_name, value)
    return value


def positive_int(value: str) -> int:
    """An integer above zero."""
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"{value!r} is not a positive integer.")
    return number


def pace(value: str) -> float:
    """A number of posts per second; 0 means unlimited."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"{value!r} is not a number of posts per second; 0 means unlimited.")
    return number


def days(value: str) -> int:
    """A number of days, zero included."""
    if not value.isascii() or not value.isdigit() or len(value) > 5:
        raise ArgumentTypeError(f"{value!r} is not a number of days from 0 to 99999.")
    return int(value)


def json_message(value: str) -> object:
    """A JSON document, as Python values."""
    try:
        return parse_json(value)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from exc


def _checked(validate: Callable[[T], None], value: T) -> None:
    try:
        validate(value)
    except ValidationError as exc:
        raise ArgumentTypeError(" ".join(exc.messages)) from exc
