"""uvicorn's WebSocket protocol, extended by behaviour of API Gateway that uvicorn has no option for.

It overrides methods that uvicorn does not document, hence the upper bound of uvicorn in setup.cfg.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent
    from websockets.http11 import Request

logger = logging.getLogger("websocket_gateway.local")

LINGER_SECONDS = 2.0
ABNORMAL_CLOSURE = 1006
INVALID_DATA = 1007
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class GatewaySocketProtocol(WebSocketsSansIOProtocol):
    """Offers `abort` to the application, reports pings, sends a close frame even to a busy client."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # uvicorn ignores a handshake that it cannot parse, such as one with a cookie of 9 KB, and the client
        # would wait forever.
        problem = self.conn.handshake_exc
        if problem is not None and not self.handshake_initiated and not self.transport.is_closing():
            logger.warning("A handshake was refused: %s", problem)
            self.close_sent = self.handshake_complete = True
            self.transport.write(b"".join(self.conn.data_to_send()) or _BAD_REQUEST)
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"]["websocket_gateway.abort"] = self.transport.abort

    def connection_lost(self, exc: Exception | None) -> None:
        # uvicorn reports 1005, which means a close frame without a code. A close frame has been reported
        # before, so here no close frame arrived.
        self.queue.put_nowait({"type": "websocket.disconnect", "code": ABNORMAL_CLOSURE})
        super().connection_lost(exc)

    def send_receive_event_to_app(self) -> None:
        # uvicorn logs a traceback for this mistake of a client.
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(self.frames):
            self.frames = []
            self.conn.send_close(INVALID_DATA)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        super().handle_ping()
        self.queue.put_nowait({"type": "websocket.ping"})  # type: ignore[arg-type,misc]

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            # Otherwise uvicorn logs every refused handshake as an error of the application.
            self.handshake_complete = True

    def handle_parser_exception(self) -> None:
        # uvicorn closes at once. A client that is still sending would get a reset, and would lose the close
        # frame with its code. So only our direction is closed, and further data is read and discarded.
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
