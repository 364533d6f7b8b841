"""The argparse types: what they give, and what they refuse in one line."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import Any

import pytest

from websocket_gateway.management import arguments


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (arguments.tag, "team=chat", ("team", "chat")),
        (arguments.tag, "empty=", ("empty", "")),
        (arguments.tag, "formula=a=b", ("formula", "a=b")),
        (arguments.api_id, " a1b2c3d4e5\n", "a1b2c3d4e5"),
        (arguments.http_url, "http://web:8000/ws/", "http://web:8000/ws/"),
        (arguments.stage_name, "production", "production"),
        (arguments.channel_name, "x" * 191, "x" * 191),
        (arguments.positive_int, "7", 7),
        (arguments.json_message, ' {"a": [1]} ', {"a": [1]}),
        (arguments.json_message, "null", None),
    ],
)
def test_what_is_right_is_converted(parse: Callable[[str], Any], text: str, value: Any) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (arguments.tag, "team", "write key=value"),
        (arguments.tag, "=chat", "write key=value"),
        (arguments.tag, "aws:team=chat", "reserved"),
        (arguments.tag, f"{'k' * 129}=v", "keys of 1 to 128"),
        (arguments.api_id, "", "is not an API id"),
        (arguments.api_id, " ", "is not an API id"),
        (arguments.http_url, "web:8000", "is not an http:// or https:// URL"),
        (arguments.http_url, "ftp://web/", "is not an http:// or https:// URL"),
        (arguments.http_url, "https://b\u00fccher.example/ws/", "write its host as xn--"),
        (arguments.stage_name, "a stage", "is not a stage name"),
        (arguments.channel_name, "", "must not be empty"),
        (arguments.channel_name, "x" * 192, "at most 191"),
        (arguments.channel_name, "line\nbreak", "cannot be printed"),
        (arguments.positive_int, "0", "is not a positive integer"),
        (arguments.positive_int, "-1", "is not a positive integer"),
        (arguments.positive_int, "seven", "is not a positive integer"),
        (arguments.json_message, "{", "line 1, column 2"),
        (arguments.json_message, "", "line 1, column 1"),
        (arguments.json_message, "[Infinity]", "Infinity is not a JSON value"),
        (arguments.json_message, "[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(parse: Callable[[str], Any], text: str, words: str) -> None:
    with pytest.raises(ArgumentTypeError, match=words) as caught:
        parse(text)

    assert "\n" not in str(caught.value)
