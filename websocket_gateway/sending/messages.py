"""From what the caller wants to say to the bytes of one frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from websocket_gateway.exceptions import InvalidMessageError
from websocket_gateway.frames import MAX_MESSAGE_BYTES, RESERVED_KEY


def encode_message(message: Any) -> bytes:
    """The frame for `message`: bytes and str as they are, everything else as JSON by Django's encoder.

    Raises `InvalidMessageError` (a `ValueError`) for what can never be sent: no JSON (`NaN`
    included), a dict that uses the reserved key `_ws`, more than 131,072 bytes.
    """
    if isinstance(message, (bytes, bytearray, memoryview)):
        return _sized(bytes(message))
    if isinstance(message, str):
        return _sized(_utf8(message))
    return encode_json(message)


def encode_json(value: Any) -> bytes:
    """The frame for a JSON value; a str becomes a JSON string. Raises like `encode_message`."""
    if isinstance(value, Mapping) and RESERVED_KEY in value:
        raise InvalidMessageError(
            f"The key {RESERVED_KEY!r} of a message is reserved for this package; use another name."
        )
    try:
        text = json.dumps(
            value, cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        )
    except (TypeError, ValueError) as exc:
        raise InvalidMessageError(f"The message cannot be written as JSON: {exc}.") from exc
    except RecursionError as exc:
        raise InvalidMessageError("The message is nested too deeply to be written as JSON.") from exc
    return _sized(_utf8(text))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidMessageError(
            f"The message holds half a character (a lone surrogate) at position {exc.start}."
        ) from exc


def _sized(data: bytes) -> bytes:
    if len(data) > MAX_MESSAGE_BYTES:
        raise InvalidMessageError(
            f"The message has {len(data):,} bytes; API Gateway takes at most {MAX_MESSAGE_BYTES:,}."
        )
    return data
