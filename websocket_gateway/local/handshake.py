"""The WebSocket handshake over ASGI: read it, accept it, refuse it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from websocket_gateway.local.connections import CLIENT_LEFT, new_opaque_id
from websocket_gateway.local.forwarding import BackendResponse
from websocket_gateway.local.http import Message, Scope, Send
from websocket_gateway.local.mapping import Headers, canonical_name
from websocket_gateway.local.signing import ALGORITHM

MAX_URL_LENGTH = 4096
SUBPROTOCOL = "sec-websocket-protocol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """The request of a client to open a socket."""

    host: str
    path: str
    """Still percent-encoded."""
    query: str
    headers: Headers
    subprotocols: tuple[str, ...]
    source_ip: str
    abort: Callable[[], None]

    def header(self, name: str) -> str:
        """Return the first header of that (lower-case) name, or an empty string."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def is_too_long(self) -> bool:
        """Whether the URL is longer than AWS accepts."""
        return len(self.path) + len(self.query) > MAX_URL_LENGTH

    @property
    def user_agent(self) -> str:
        """The User-Agent header."""
        return self.header("user-agent")

    @property
    def is_signed(self) -> bool:
        """Whether the handshake carries AWS credentials, in a header or in the query."""
        return self.header("authorization").startswith(ALGORITHM) or "X-Amz-Signature=" in self.query


def read_handshake(scope: Scope) -> Handshake:
    """Read the handshake from the ASGI scope."""
    headers = [
        (canonical_name(name.decode("latin-1")), value.decode("latin-1")) for name, value in scope["headers"]
    ]
    client = scope.get("client") or ("127.0.0.1", 0)
    return Handshake(
        host=next((value for name, value in headers if name == "Host"), ""),
        path=scope["raw_path"].decode("ascii"),
        query=scope["query_string"].decode("ascii"),
        headers=headers,
        subprotocols=tuple(
            # Not every version of uvicorn splits the header.
            offered.strip()
            for name, value in headers
            if name.lower() == SUBPROTOCOL
            for offered in value.split(",")
        ),
        source_ip=client[0],
        abort=scope.get("extensions", {}).get("websocket_gateway.abort", lambda: None),
    )


async def accept(send: Send, handshake: Handshake, response: BackendResponse) -> None:
    """Complete the handshake. A subprotocol is echoed only if the backend chose one that was offered."""
    chosen = response.header(SUBPROTOCOL)
    message: Message = {"type": "websocket.accept"}
    if chosen is not None and chosen.strip() in handshake.subprotocols:
        message["subprotocol"] = chosen.strip()
    try:
        await send(message)
    except CLIENT_LEFT:
        # The client left during `$connect`. The backend has accepted it, so the socket counts as opened
        # and closed, and `$disconnect` follows.
        return


async def refuse(send: Send, status: int, text: str) -> None:
    """Refuse the handshake with a message of the gateway."""
    request_id = new_opaque_id()
    body = json.dumps({"message": text, "connectionId": new_opaque_id(), "requestId": request_id}).encode()
    await _respond(send, status, [(b"content-type", b"application/json")], body)


async def relay(send: Send, response: BackendResponse) -> None:
    """Refuse the handshake with the response of the backend; 502 for a status that cannot end a handshake."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers
        if name.lower() in ("content-type", "content-encoding")
    ]
    await _respond(send, response.status if 200 <= response.status < 600 else 502, headers, response.body)


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    try:
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    except CLIENT_LEFT:
        # The client has left.
        return
