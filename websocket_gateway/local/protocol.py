"""uvicorn's WebSocket protocol with the few things that API Gateway does and uvicorn does not show."""

from __future__ import annotations

import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

logger = logging.getLogger("websocket_gateway.local")

LINGER_SECONDS = 2.0
ABNORMAL_CLOSURE = 1006
INVALID_DATA = 1007
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class GatewaySocketProtocol(WebSocketsSansIOProtocol):
    """Tells the application how to abort, reports pings, and lets a refusal reach a client mid-send."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # A handshake that cannot even be read, such as one with a cookie of 9 KB, is no event to uvicorn:
        # it would leave the client waiting for ever.
        why = self.conn.handshake_exc
        if why is not None and not self.handshake_initiated and not self.transport.is_closing():
            logger.warning("A handshake was refused: %s", why)
            self.close_sent = self.handshake_complete = True
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.transport.close()

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            extensions: dict[str, Any] = scope["extensions"]
            extensions["websocket_gateway.abort"] = self.transport.abort

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn says 1005, which is the code of a close frame without one. Whoever sent a close frame has
        # been told of already, so here none came.
        self.queue.put_nowait({"type": "websocket.disconnect", "code": ABNORMAL_CLOSURE})
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        # uvicorn writes a traceback for what is the client's mistake.
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(self.frames):
            self.frames = []
            self.conn.send_close(INVALID_DATA)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        super().handle_ping()
        self.queue.put_nowait({"type": "websocket.ping"})  # type: ignore[arg-type,misc]

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # Otherwise uvicorn logs every refused handshake as an error of the application.
            self.handshake_complete = True

    def handle_parser_exception(self) -> None:
        # uvicorn closes at once. A client that is still sending would then get a reset, and the close
        # frame with its code would be lost: so only our direction is closed, and the rest is read away.
        close = self.conn.close_sent
        if self.close_sent or close is None:
            return
        self.queue.put_nowait(
            {
                "type": "websocket.disconnect",
                "code": close.code,
                "reason": close.reason,
            }
        )
        self.close_sent = True
        self.frames = []
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)


def _is_utf8(frames: list[bytes]) -> bool:
    try:
        b"".join(frames).decode()
    except UnicodeDecodeError:
        return False
    return True
