"""The bytes that recipients of a channel get: the message, and the key `_ws` with the name of the channel."""

from __future__ import annotations

import json
from typing import Final

from websocket_gateway.exceptions import InvalidMessageError
from websocket_gateway.frames import (
    MAX_MESSAGE_BYTES,
    RESERVED_KEY,
    encode_message,
    encode_metadata,
    parse_json,
)

_RESERVED_BYTES: Final = 512
"""What the envelope of a message may need, and the answer to a client that recovers this message alone."""
_ANSWER_BYTES: Final = 320
"""The same, without the channel's name and the longest id that this package's client gives."""


def encode_body(message: object, channel_name: str) -> bytes:
    """Write a message for a channel with a history: a JSON object, without envelope.

    Raises `InvalidMessageError` for one that is not a JSON object, uses the reserved key `_ws`, or has more
    than 131,072 - 512 bytes (less, for a channel whose name alone needs most of these 512 bytes).
    """
    data = encode_message(message)
    if not _is_plain_object(message, data):
        raise InvalidMessageError(
            f"The channel {channel_name!r} has a history, so its messages must be JSON objects without the "
            f"reserved key {RESERVED_KEY!r}."
        )
    limit = MAX_MESSAGE_BYTES - max(_RESERVED_BYTES, _ANSWER_BYTES + len(_dump(channel_name)))
    if len(data) > limit:
        raise InvalidMessageError(
            f"The message has {len(data):,} bytes; the channel {channel_name!r} has a history and takes "
            f"at most {limit:,}."
        )
    return data


def encode_for_channel(message: object, channel_name: str) -> bytes:
    """Write a message for a channel without a history: a JSON object gets `_ws.channel`.

    Everything else stays as `encode_message` writes it, and so does an object that would become too large.
    """
    data = encode_message(message)
    if not _is_plain_object(message, data):
        return data
    addressed = in_envelope(data, channel=channel_name)
    return addressed if len(addressed) <= MAX_MESSAGE_BYTES else data


def in_envelope(body: bytes, **metadata: object) -> bytes:
    """Append the reserved key with `metadata` to a JSON object, without reading the object."""
    inside = body.strip()[1:-1].rstrip()
    return b"{" + inside + (b"," if inside else b"") + encode_metadata(metadata)[1:]


def _is_plain_object(message: object, data: bytes) -> bool:
    """Whether the bytes are a JSON object without the reserved key; the caller may have encoded it."""
    if isinstance(message, dict):
        return True
    if data.lstrip()[:1] != b"{":
        return False
    try:
        value = parse_json(data.decode())
    except ValueError:
        return False
    return isinstance(value, dict) and RESERVED_KEY not in value


def _dump(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
