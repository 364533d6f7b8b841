"""What is read from a frame, what becomes one, and what can never be one."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils import translation
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st

from websocket_gateway.exceptions import InvalidMessageError
from websocket_gateway.frames import (
    MAX_MESSAGE_BYTES,
    encode_json,
    encode_message,
    encode_metadata,
    encode_reply,
    parse_frame,
)

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text().filter(lambda key: key != "_ws"), inner, max_size=5)
    ),
    max_leaves=8,
)


@given(value=_JSON)
def test_any_json_value_is_one_line_that_reads_back_equal(value: Any) -> None:
    data = encode_json(value)

    assert json.loads(data) == value
    assert b"\n" not in data


def test_djangos_own_types_are_written_by_djangos_encoder() -> None:
    message = {
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        "price": Decimal("1.10"),
        "id": UUID(int=7),
        "name": "Zoë",
    }

    assert json.loads(encode_message(message)) == {
        "at": "2026-01-02T03:04:05Z",
        "price": "1.10",
        "id": "00000000-0000-0000-0000-000000000007",
        "name": "Zoë",
    }


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\x00\xff raw", b"\x00\xff raw"),
        (bytearray(b"raw"), b"raw"),
        (memoryview(b"raw"), b"raw"),
        ("no JSON: é", "no JSON: é".encode()),
        ('{"_ws": {}}', b'{"_ws": {}}'),
    ],
)
def test_bytes_and_text_pass_as_they_are(message: Any, expected: bytes) -> None:
    assert encode_message(message) == expected


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param({"_ws": {"type": "ping"}}, "'_ws' of a message is reserved", id="reserved-key"),
        pytest.param({"x": float("nan")}, "cannot be written as JSON", id="nan"),
        pytest.param({"x": float("inf")}, "cannot be written as JSON", id="infinity"),
        pytest.param({"x": object()}, "cannot be written as JSON", id="no-json-type"),
        pytest.param({("a", 1): 1}, "cannot be written as JSON", id="key-is-a-tuple"),
        pytest.param({"x": "\ud800"}, "lone surrogate", id="surrogate-in-json"),
        pytest.param("\ud800", "lone surrogate", id="surrogate-in-text"),
    ],
)
def test_what_can_never_be_sent_is_a_value_error(message: Any, words: str) -> None:
    with pytest.raises(InvalidMessageError, match=words) as caught:
        encode_message(message)

    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_a_structure_without_end_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(InvalidMessageError):
        encode_message(endless)


def test_a_structure_nested_beyond_reason_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(InvalidMessageError):
        encode_message({"deep": deep})


@pytest.mark.parametrize("letter", ["a", "é", "€", "😀"], ids=["1-byte", "2-bytes", "3-bytes", "4-bytes"])
def test_size_is_counted_in_bytes_and_the_limit_itself_is_allowed(letter: str) -> None:
    frame = {"m": ""}
    room = MAX_MESSAGE_BYTES - len(encode_message(frame))
    count, rest = divmod(room, len(letter.encode()))
    largest = letter * count + "a" * rest

    assert len(encode_message({"m": largest})) == MAX_MESSAGE_BYTES
    with pytest.raises(InvalidMessageError, match=r"131,073 bytes; API Gateway takes at most 131,072"):
        encode_message({"m": largest + "a"})
    assert len(encode_message(b"x" * MAX_MESSAGE_BYTES)) == MAX_MESSAGE_BYTES
    with pytest.raises(InvalidMessageError):
        encode_message(b"x" * (MAX_MESSAGE_BYTES + 1))


@pytest.mark.parametrize("write", [encode_message, encode_json, encode_reply], ids=lambda it: it.__name__)
def test_messages_and_replies_are_written_in_the_same_way(
    write: Callable[[dict[str, object]], bytes],
) -> None:
    assert write({"at": UUID(int=7), "name": "Zoë"}) == (
        '{"at":"00000000-0000-0000-0000-000000000007","name":"Zoë"}'.encode()
    )
    unsendable: list[Any] = [{"_ws": 1}, {"x": float("nan")}, {"x": object()}, {"x": "a" * MAX_MESSAGE_BYTES}]
    for value in unsendable:
        with pytest.raises(InvalidMessageError):
            write(value)


def test_reply_confirms_the_id_and_may_repeat_half_a_character() -> None:
    assert encode_reply({"echo": "\ud83d"}, reply_id="c7") == b'{"echo":"\\ud83d","_ws":{"reply_to":"c7"}}'


def test_frame_of_the_package_alone_has_only_the_reserved_key() -> None:
    assert encode_metadata({"type": "pong"}) == b'{"_ws":{"type":"pong"}}'
    assert json.loads(encode_metadata({"type": "pong"}, reply_id=0)) == {
        "_ws": {"type": "pong", "reply_to": 0}
    }


def test_frame_is_the_object_without_the_reserved_key() -> None:
    frame = parse_frame(b'{"handler": "say", "text": "\xc3\xa4", "_ws": {"id": "c7", "client": "x"}}')

    assert frame.body == {"handler": "say", "text": "\u00e4"}
    assert (frame.reply_id, frame.control) == ("c7", None)


def test_control_frame_is_told_by_its_type() -> None:
    frame = parse_frame(b'{"_ws": {"type": "ping", "id": 7}}')

    assert (frame.body, frame.reply_id, frame.control) == ({}, 7, {"type": "ping", "id": 7})


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("\U0001f600", id="character outside the first plane"),
        pytest.param("\\u0000 \\ud800", id="backslashes that are no escapes"),
        pytest.param([[[]]] * 50, id="many brackets, little depth"),
        pytest.param("[" * 1000, id="brackets in a string"),
        pytest.param(10**4000, id="four thousand digits"),
        pytest.param(-0.5e-300, id="small float"),
    ],
)
def test_unusual_but_sound_json_is_read(value: Any) -> None:
    assert parse_frame(json.dumps({"a": value}).encode()).body == {"a": value}


def test_a_lazy_text_is_sent_as_text_in_the_language_of_now() -> None:
    assert encode_message(gettext_lazy("Monday")) == b"Monday"
    with translation.override("de"):
        assert encode_message(gettext_lazy("Monday")) == b"Montag"
