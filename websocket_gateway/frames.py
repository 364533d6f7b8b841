"""The text of a client's frame -> a JSON object and what its reserved key `_ws` says."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

SUBPROTOCOL: Final = "websocket-gateway"
"""The subprotocol that a client offers beside its token, and the only one that is echoed."""
RESERVED_KEY: Final = "_ws"
"""The one top-level key of a frame that belongs to this package."""

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
MAX_MESSAGE_BYTES: Final = 131_072
"""Bytes; the largest message that `@connections` takes."""
MAX_FRAME_BYTES: Final = 32_768
"""Bytes; the largest frame that a client may send."""

MAX_DEPTH: Final = 64
"""Levels of nesting. Far below Python's recursion limit, so that what was read can be written again."""
MAX_REPLY_ID_LENGTH: Final = 128
MAX_CLIENT_LENGTH: Final = 64

_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

ReplyId = str | int


class InvalidFrameError(ValueError):
    """The text is no JSON object that could be handled; the message says why, for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame of a client: the application's part, and ours."""

    body: dict[str, Any]
    """The JSON object without the reserved key."""
    reply_id: ReplyId | None = None
    """`_ws.id`: given when the client wants a reply."""
    client: str | None = None
    """`_ws.client`: which page of the user numbers its messages so."""
    control: dict[str, Any] | None = None
    """`_ws` of a control frame, that is, of one with `_ws.type`."""


def parse_frame(data: bytes) -> Frame:
    """Read one frame; raises `InvalidFrameError` for everything that is no plain JSON object.

    Refused are also what JSON proper does not know (`NaN`), what databases cannot store (NUL,
    lone surrogates), duplicate keys, numbers too large for a float or with thousands of
    digits, and nesting deeper than `MAX_DEPTH`.
    """
    body = _load(data)
    if not isinstance(body, dict):
        raise InvalidFrameError("The frame is no JSON object.")
    if RESERVED_KEY not in body:
        return Frame(body=body)
    ours = body.pop(RESERVED_KEY)
    if not isinstance(ours, dict):
        raise InvalidFrameError("_ws is no object.")
    control = ours if "type" in ours else None
    return Frame(body=body, reply_id=_reply_id(ours), client=_client(ours), control=control)


def parse_json(text: str) -> Any:
    """The values in a JSON document; raises `ValueError` with line and column where it is none.

    `NaN` and `Infinity`, which Python's parser would accept, are no JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as exc:
        raise ValueError(
            f"The message is no JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}."
        ) from exc
    except RecursionError as exc:
        raise ValueError("The message is nested too deeply.") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"The message is no JSON: {name} is no JSON value.")


def _load(data: bytes) -> Any:
    try:
        text = data.decode()
        value = json.loads(
            text, parse_constant=_no_constant, parse_float=_finite_float, object_pairs_hook=_unique
        )
    except InvalidFrameError:
        raise
    except (ValueError, RecursionError) as exc:  # UnicodeDecodeError and too many digits are ValueErrors
        raise InvalidFrameError(f"The frame is no JSON ({type(exc).__name__}).") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
        raise InvalidFrameError("The frame is nested too deeply.")
    if _SUSPECT_ESCAPE.search(text) and any(_UNSTORABLE.search(part) for part in _strings(value)):
        raise InvalidFrameError("The frame holds NUL or a lone surrogate.")
    return value


def _reply_id(ours: dict[str, Any]) -> ReplyId | None:
    value = ours.get("id")
    if value is None:
        return None
    if isinstance(value, str) and 0 < len(value) <= MAX_REPLY_ID_LENGTH:
        return value
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return value
    raise InvalidFrameError("_ws.id is neither a short string nor a whole number.")


def _client(ours: dict[str, Any]) -> str | None:
    value = ours.get("client")
    if value is None or (isinstance(value, str) and 0 < len(value) <= MAX_CLIENT_LENGTH):
        return value
    raise InvalidFrameError("_ws.client is no short string.")


def _no_constant(name: str) -> Any:
    raise InvalidFrameError(f"{name} is no JSON.")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidFrameError("A number is too large.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise InvalidFrameError("A key stands twice in one object.")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _strings(value: Any) -> Iterator[str]:
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item
        rest.extend(_children(item))
