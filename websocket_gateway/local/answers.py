"""HTTP answers in the form of AWS: JSON bodies, a request id, the error type in a header."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

from websocket_gateway.local.errors import ApiError


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """Status, headers and body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def json_answer(status: int, body: Any) -> HttpAnswer:
    """An answer of the service; `None` is an empty body."""
    content = b"" if body is None else json.dumps(body).encode()
    headers = [("x-amzn-RequestId", str(uuid.uuid4()))]
    if content:
        headers.append(("Content-Type", "application/json"))
    if status != 204:
        headers.append(("Content-Length", str(len(content))))
    return HttpAnswer(status=status, headers=tuple(headers), body=content)


def error_answer(error: ApiError, *, name_type: bool = True) -> HttpAnswer:
    """A refusal; without its type, botocore can only tell it by the status."""
    answer = json_answer(error.status, {"message": error.message, **error.details})
    if not name_type:
        return answer
    return HttpAnswer(
        status=answer.status,
        headers=(*answer.headers, ("x-amzn-ErrorType", error.code)),
        body=answer.body,
    )
