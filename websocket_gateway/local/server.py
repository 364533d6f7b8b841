"""One ASGI application over control plane, data plane and `@connections`, under uvicorn."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import uvicorn

from websocket_gateway.local.addressing import CONNECTIONS_PATH
from websocket_gateway.local.answers import HttpAnswer, error_answer
from websocket_gateway.local.connections import Send
from websocket_gateway.local.control import ControlPlane
from websocket_gateway.local.dataplane import DataPlane, Receive, Scope
from websocket_gateway.local.errors import ForbiddenError, PayloadTooLargeError
from websocket_gateway.local.management import ManagementApi
from websocket_gateway.local.options import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES
from websocket_gateway.local.protocol import GatewaySocketProtocol
from websocket_gateway.local.signing import HttpRequest

logger = logging.getLogger("websocket_gateway.local")

MAX_BODY_BYTES = 2 * 1024 * 1024
LEAVE_SECONDS = 1.0
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def build_application(control: ControlPlane, data: DataPlane, management: ManagementApi) -> Application:
    """The ASGI application."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await data.serve(scope, receive, send)
            return
        request = await _read_request(scope, receive)
        if request is None:
            await _write(send, error_answer(PayloadTooLargeError("Request too long")), close=True)
        elif request.raw_path.startswith("/v2/"):
            answer, replied = control.answer(request)
            await _write(send, answer)
            replied()
        elif CONNECTIONS_PATH in request.raw_path:
            await _write(send, await management.answer(request))
        else:
            await _write(send, error_answer(ForbiddenError("Missing Authentication Token")))

    return application


async def _read_request(scope: Scope, receive: Receive) -> HttpRequest | None:
    """The whole request, or `None` when its body is far beyond anything that could be accepted."""
    body = bytearray()
    more = True
    while more:
        message: MutableMapping[str, Any] = await receive()
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


async def _write(send: Send, answer: HttpAnswer, *, close: bool = False) -> None:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


class GatewayServer(uvicorn.Server):
    """uvicorn's server, telling when it is ready, and without its pauses: tests start and stop it often."""

    def __init__(self, application: Application, *, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            application,
            http="httptools",
            ws=GatewaySocketProtocol,
            # (message, frame): uvicorn hands the pair on to websockets, which knows both limits.
            ws_max_size=(MAX_MESSAGE_BYTES, MAX_FRAME_BYTES),  # type: ignore[arg-type]
            ws_per_message_deflate=False,
            ws_ping_interval=None,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=65,
            backlog=4096,
            workers=1,
        )
        super().__init__(config)
        self._ready = ready
        self._leave = asyncio.Event()

    def leave(self) -> None:
        """Stop serving. Call it in the event loop."""
        self.should_exit = True
        self._leave.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        # `on_tick` refreshes the Date header.
        while not await self.on_tick(0):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._leave.wait(), timeout=1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        deadline = time.monotonic() + LEAVE_SECONDS
        while (state.connections or state.tasks) and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        for task in list(state.tasks):
            task.cancel()


async def repeat(action: Callable[[], Awaitable[None]], every: float) -> None:
    """Do something again and again; what goes wrong is logged and tried again."""
    while True:
        await asyncio.sleep(every)
        try:
            await action()
        except Exception:  # noqa: BLE001 - the outermost loop of this task
            logger.exception("The sweep failed")
