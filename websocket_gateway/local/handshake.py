"""The WebSocket handshake as ASGI shows it: reading, accepting, refusing."""

from __future__ import annotations

import json
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from websocket_gateway.local.connections import CLIENT_LEFT, Send, new_opaque_id
from websocket_gateway.local.forwarding import BackendAnswer
from websocket_gateway.local.mapping import Headers, canonical_name
from websocket_gateway.local.signing import ALGORITHM

MAX_URL_LENGTH = 4096
SUBPROTOCOL = "sec-websocket-protocol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """What a client asked for."""

    host: str
    path: str
    """Still percent-encoded."""
    query: str
    headers: Headers
    subprotocols: tuple[str, ...]
    source_ip: str
    abort: Callable[[], None]

    def header(self, name: str) -> str:
        """The first header of that (lower-case) name, or nothing."""
        return next((value for key, value in self.headers if key.lower() == name), "")

    @property
    def is_too_long(self) -> bool:
        """Whether the URL is longer than AWS accepts."""
        return len(self.path) + len(self.query) > MAX_URL_LENGTH

    @property
    def user_agent(self) -> str:
        """What the client calls itself."""
        return self.header("user-agent")

    @property
    def is_signed(self) -> bool:
        """Whether the handshake carries AWS credentials, in a header or in the query."""
        return self.header("authorization").startswith(ALGORITHM) or "X-Amz-Signature=" in self.query


def read_handshake(scope: MutableMapping[str, Any]) -> Handshake:
    """Take from the ASGI scope what matters here."""
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
            # Read here, because not every uvicorn splits the header.
            offered.strip()
            for name, value in headers
            if name.lower() == SUBPROTOCOL
            for offered in value.split(",")
        ),
        source_ip=client[0],
        abort=scope.get("extensions", {}).get("websocket_gateway.abort", lambda: None),
    )


async def accept(send: Send, handshake: Handshake, answer: BackendAnswer) -> None:
    """Complete the handshake. A subprotocol is echoed only if the backend chose one that was offered."""
    chosen = answer.header(SUBPROTOCOL)
    message: dict[str, Any] = {"type": "websocket.accept"}
    if chosen is not None and chosen.strip() in handshake.subprotocols:
        message["subprotocol"] = chosen.strip()
    try:
        await send(message)
    except CLIENT_LEFT:
        # The client left while `$connect` was pending. The backend knows it by now, so the socket counts
        # as opened and closed, and `$disconnect` follows.
        return


async def refuse(send: Send, status: int, text: str) -> None:
    """Refuse with a message of the gateway's own."""
    request_id = new_opaque_id()
    body = json.dumps({"message": text, "connectionId": new_opaque_id(), "requestId": request_id}).encode()
    await _respond(send, status, [(b"content-type", b"application/json")], body)


async def relay(send: Send, answer: BackendAnswer) -> None:
    """Refuse with what the backend answered. 1xx and nonsense cannot end a handshake."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in answer.headers
        if name.lower() in ("content-type", "content-encoding")
    ]
    await _respond(send, answer.status if 200 <= answer.status < 600 else 502, headers, answer.body)


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    try:
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    except CLIENT_LEFT:
        # Nobody is left to be told.
        return
