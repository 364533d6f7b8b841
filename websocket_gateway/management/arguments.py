"""Argparse types: what is wrong with an argument is said before any work is done, with exit status 2."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ValidationError

from websocket_gateway import validators
from websocket_gateway.frames import parse_json


def tag(value: str) -> tuple[str, str]:
    """`key=value` as a pair; the value may be empty and may hold further equals signs."""
    key, separator, text = value.partition("=")
    if not separator or not key:
        raise ArgumentTypeError(f"{value!r} is no tag: write key=value.")
    _checked(validators.validate_tags, {key: text})
    return key, text


def api_id(value: str) -> str:
    """The id of an API: never empty, as a variable that is not set would be."""
    if not value.strip():
        raise ArgumentTypeError("an empty text is no API id.")
    return value.strip()


def http_url(value: str) -> str:
    """An absolute http or https URL with a host."""
    _checked(validators.validate_http_url, value)
    return value


def stage_name(value: str) -> str:
    """What API Gateway takes as the name of a stage."""
    _checked(validators.validate_stage_name, value)
    return value


def domain_name(value: str) -> str:
    """A host name in lower case, such as ws.example.com; empty takes the domain off."""
    if value:
        _checked(validators.validate_domain_name, value)
    return value


def mapping_key(value: str) -> str:
    """A path of a custom domain; empty takes the key off."""
    if value:
        _checked(validators.validate_mapping_key, value)
    return value


def channel_name(value: str) -> str:
    """A channel name that a session can hold: 1 to 191 printable characters."""
    _checked(validators.validate_channel_name, value)
    return value


def positive_int(value: str) -> int:
    """A whole number above zero."""
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"{value!r} is no whole number above zero.")
    return number


def pace(value: str) -> float:
    """So many a second; 0 is no limit."""
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < math.inf:
        raise ArgumentTypeError(f"{value!r} is no number of posts a second; 0 is no limit.")
    return number


def days(value: str) -> int:
    """A whole number of days, zero included."""
    if not value.isascii() or not value.isdigit() or len(value) > 5:
        raise ArgumentTypeError(f"{value!r} is no whole number of days from 0 to 99999.")
    return int(value)


def json_message(value: str) -> Any:
    """A JSON document, as Python values."""
    try:
        return parse_json(value)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from exc


def _checked(validate: Callable[[Any], None], value: Any) -> None:
    try:
        validate(value)
    except ValidationError as exc:
        raise ArgumentTypeError(" ".join(exc.messages)) from exc
