"""HTTP requests and responses of the two AWS APIs, and how ASGI carries them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from websocket_gateway.local.errors import ApiError

Message = MutableMapping[str, Any]
Scope = Message
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
"""The types of an ASGI application."""

MAX_BODY_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request as it was received."""

    method: str
    raw_path: str
    """Still percent-encoded."""
    query: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes = b""

    def header(self, name: str) -> str:
        """All values of a header, joined as SigV4 joins them."""
        return ",".join(" ".join(value.split()) for key, value in self.headers if key == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """Status, headers and body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


def json_response(status: int, body: object) -> HttpResponse:
    """Build a response in the form of AWS, with a request id; `None` is an empty body."""
    content = b"" if body is None else json.dumps(body).encode()
    headers = [("x-amzn-RequestId", str(uuid.uuid4()))]
    if content:
        headers.append(("Content-Type", "application/json"))
    if status != 204:
        headers.append(("Content-Length", str(len(content))))
    return HttpResponse(status=status, headers=tuple(headers), body=content)


def error_response(error: ApiError, *, name_type: bool = True) -> HttpResponse:
    """Build the response for an error. Without the error type, botocore recognises it by the status only."""
    response = json_response(error.status, {"message": error.message, **error.details})
    if not name_type:
        return response
    return HttpResponse(
        status=response.status,
        headers=(*response.headers, ("x-amzn-ErrorType", error.code)),
        body=response.body,
    )


async def read_request(scope: Scope, receive: Receive) -> HttpRequest | None:
    """Read the whole request. Return `None` if its body is far larger than any acceptable one."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            return None
    return HttpRequest(
        method=scope["method"],
        raw_path=scope["raw_path"].decode("ascii"),
        query=scope["query_string"].decode("ascii"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=bytes(body),
    )


async def write_response(send: Send, response: HttpResponse, *, close: bool = False) -> None:
    """Send the response; with `close`, ask the client to close the connection."""
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.headers]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
