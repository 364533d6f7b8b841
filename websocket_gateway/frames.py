"""The text of frames, and of messages and replies that become frames: reads and writes it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, NoReturn

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise

from websocket_gateway.exceptions import InvalidMessageError

SUBPROTOCOL: Final = "websocket-gateway"
"""The subprotocol that a client offers beside its token, and the only one that is echoed."""
RESERVED_KEY: Final = "_ws"
"""The one top-level key of a frame that belongs to this package."""

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
MAX_MESSAGE_BYTES: Final = 131_072
"""Bytes; the largest message that `@connections` takes."""

MAX_DEPTH: Final = 64
"""Levels of nesting. Far below Python's recursion limit, so that what was read can be written again."""
MAX_REPLY_ID_LENGTH: Final = 128
MAX_CLIENT_LENGTH: Final = 64

# Compiled at the first use, as all expressions that a process may never need.
_SUSPECT_ESCAPE = r"(?i:\\u(?:0000|d[89a-f]))"
_UNSTORABLE = "[\x00\ud800-\udfff]"

ReplyId = str | int


_ENCODER = DjangoJSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":"))


class InvalidFrameError(ValueError):
    """The text is not a JSON object that can be handled. The message says why, for the log."""


class Frame(NamedTuple):
    """One frame of a client: the part of the application, and the part of this package."""

    body: dict[str, object]
    """The JSON object without the reserved key."""
    reply_id: ReplyId | None = None
    """`_ws.id`: given when the client wants a reply."""
    client: str | None = None
    """`_ws.client`: the page that numbers its messages with these ids."""
    control: dict[str, object] | None = None
    """`_ws` of a control frame, that is, of a frame with `_ws.type`."""


def parse_frame(data: bytes) -> Frame:
    """Read one frame. Raises `InvalidFrameError` for anything but a plain JSON object.

    Also refused: values that are not JSON (`NaN`), text that databases cannot store (NUL, lone
    surrogates), duplicate keys, numbers too large for a float or with thousands of digits, and
    nesting deeper than `MAX_DEPTH`.
    """
    body = _load(data)
    if not isinstance(body, dict):
        raise InvalidFrameError("The frame is not a JSON object.")
    if RESERVED_KEY not in body:
        return Frame(body=body)
    ours = body.pop(RESERVED_KEY)
    if not isinstance(ours, dict):
        raise InvalidFrameError("_ws is not an object.")
    control = ours if "type" in ours else None
    return Frame(body=body, reply_id=_reply_id(ours), client=_client(ours), control=control)


def parse_json(text: str) -> object:
    """Read a JSON document. Raises `ValueError` with line and column if it is not JSON.

    `NaN` and `Infinity`, which Python's parser accepts, are not JSON.
    """
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        raise ValueError(
            f"The message is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}."
        ) from exc
    except RecursionError as exc:
        raise ValueError("The message is nested too deeply.") from exc
    return value


def encode_message(message: object) -> bytes:
    """Write a message: bytes and text stay as they are, everything else becomes JSON by Django's encoder.

    Raises `InvalidMessageError` (a `ValueError`) for a message that can never be sent: not JSON (`NaN`
    included), a dict that uses the reserved key `_ws`, more than 131,072 bytes.
    """
    if isinstance(message, (bytes, bytearray, memoryview)):
        return _check_size(bytes(message), "message")
    if isinstance(message, (str, Promise)):  # a lazy translation is text, in the language of now
        return _check_size(_utf8(str(message)), "message")
    return encode_json(message)


def encode_json(value: object) -> bytes:
    """Write a JSON value; text becomes a JSON string. Raises like `encode_message`."""
    _check_keys(value, "message")
    return _check_size(_utf8(_dump(value, "message")), "message")


def encode_reply(body: Mapping[str, object], *, reply_id: ReplyId | None = None) -> bytes:
    """Write the reply of a handler. Raises like `encode_message`, but half a character is accepted.

    A handler may return a part of the text that the client sent. So half a character is written as JSON
    writes it (`\\ud83d`).
    """
    _check_keys(body, "response")
    ours = {} if reply_id is None else {RESERVED_KEY: {"reply_to": reply_id}}
    data = _dump({**body, **ours}, "response").encode(errors="backslashreplace")
    return _check_size(data, "response")


def encode_metadata(metadata: Mapping[str, object], *, reply_id: ReplyId | None = None) -> bytes:
    """Write a frame that has only the reserved key: errors, control frames, confirmations."""
    ours = {} if reply_id is None else {"reply_to": reply_id}
    return _dump({RESERVED_KEY: {**metadata, **ours}}, "response").encode(errors="backslashreplace")


def _check_keys(value: object, noun: str) -> None:
    if isinstance(value, Mapping) and RESERVED_KEY in value:
        raise InvalidMessageError(
            f"The key {RESERVED_KEY!r} of a {noun} is reserved for this package; use another name."
        )


def _dump(value: object, noun: str) -> str:
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as exc:
        raise InvalidMessageError(f"The {noun} cannot be written as JSON: {exc}.") from exc
    except RecursionError as exc:
        raise InvalidMessageError(f"The {noun} is nested too deeply to be written as JSON.") from exc


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidMessageError(
            f"The message holds half a character (a lone surrogate) at position {exc.start}."
        ) from exc


def _check_size(data: bytes, noun: str) -> bytes:
    if len(data) > MAX_MESSAGE_BYTES:
        raise InvalidMessageError(
            f"The {noun} has {len(data):,} bytes; API Gateway takes at most {MAX_MESSAGE_BYTES:,}."
        )
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"The message is not JSON: {name} is not a JSON value.")


def _load(data: bytes) -> object:
    try:
        text = data.decode()
        value: object = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite_float, object_pairs_hook=_unique
        )
    except InvalidFrameError:
        raise
    except (ValueError, RecursionError) as exc:  # UnicodeDecodeError and too many digits are ValueErrors
        raise InvalidFrameError(f"The frame is not JSON ({type(exc).__name__}).") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
        raise InvalidFrameError("The frame is nested too deeply.")
    if re.search(_SUSPECT_ESCAPE, text) and any(re.search(_UNSTORABLE, part) for part in _strings(value)):
        raise InvalidFrameError("The frame holds NUL or a lone surrogate.")
    return value


def _reply_id(ours: dict[str, object]) -> ReplyId | None:
    value = ours.get("id")
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= MAX_REPLY_ID_LENGTH:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return value
    raise InvalidFrameError("_ws.id is neither a short string nor an integer.")


def _client(ours: dict[str, object]) -> str | None:
    value = ours.get("client")
    if value is None or (isinstance(value, str) and 0 < len(value) <= MAX_CLIENT_LENGTH):
        return value
    raise InvalidFrameError("_ws.client is not a short string.")


def _no_constant(name: str) -> NoReturn:
    raise InvalidFrameError(f"{name} is not JSON.")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidFrameError("A number is too large.")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidFrameError("An object has the same key twice.")
    return value


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _strings(value: object) -> Iterator[str]:
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item
        rest.extend(_children(item))
