"""The ASGI application of the gateway, and the uvicorn server that runs it."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvicorn

from websocket_gateway.local.control import ACCOUNT_PATH, ControlPlane
from websocket_gateway.local.dataplane import DataPlane
from websocket_gateway.local.errors import ForbiddenError, PayloadTooLargeError
from websocket_gateway.local.http import Receive, Scope, Send, error_response, read_request, write_response
from websocket_gateway.local.management import ManagementApi
from websocket_gateway.local.options import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES
from websocket_gateway.local.protocol import GatewaySocketProtocol
from websocket_gateway.local.routing import CONNECTIONS_PATH

logger = logging.getLogger("websocket_gateway.local")

SHUTDOWN_SECONDS = 1.0
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def build_application(control: ControlPlane, data: DataPlane, management: ManagementApi) -> Application:
    """Return the ASGI application that serves every request and every socket."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await data.serve(scope, receive, send)
            return
        request = await read_request(scope, receive)
        if request is None:
            await write_response(send, error_response(PayloadTooLargeError("Request too long")), close=True)
        elif request.raw_path.startswith("/v2/") or request.raw_path == ACCOUNT_PATH:
            response, after_reply = control.respond(request)
            await write_response(send, response)
            after_reply()
        elif CONNECTIONS_PATH in request.raw_path:
            await write_response(send, await management.respond(request))
        else:
            await write_response(send, error_response(ForbiddenError("Missing Authentication Token")))

    return application


class GatewayServer(uvicorn.Server):
    """uvicorn's server, with a callback when it is ready.

    Tests start and stop it often, so starting and stopping do not wait for uvicorn's ticks.
    """

    def __init__(self, application: Application, *, ready: Callable[[], None]) -> None:
        config = uvicorn.Config(
            application,
            http="httptools",
            ws=GatewaySocketProtocol,
            # (message, frame): uvicorn passes the pair to websockets, which applies both limits.
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
        self._stop_requested = asyncio.Event()

    def request_stop(self) -> None:
        """Stop serving. Must be called in the event loop."""
        self.should_exit = True
        self._stop_requested.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def main_loop(self) -> None:
        # `on_tick` refreshes the Date header.
        while not await self.on_tick(0):
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stop_requested.wait(), timeout=1.0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while (state.connections or state.tasks) and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        for task in list(state.tasks):
            task.cancel()


async def repeat(action: Callable[[], Awaitable[None]], interval: float) -> None:
    """Call `action` at that interval. An exception is logged, and the loop continues."""
    while True:
        await asyncio.sleep(interval)
        try:
            await action()
        except Exception:  # noqa: BLE001 - the outermost loop of this task
            logger.exception("The sweep failed")
