"""`@connections`: send to a socket, read its status, close it."""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import suppress
from datetime import datetime, timezone
from urllib.parse import unquote

from websocket_gateway.local.connections import Connection, Registry
from websocket_gateway.local.errors import (
    ApiError,
    BadRequestError,
    ForbiddenError,
    GoneError,
    InternalError,
    LimitExceededError,
    PayloadTooLargeError,
)
from websocket_gateway.local.http import HttpRequest, HttpResponse, error_response, json_response
from websocket_gateway.local.options import MAX_MESSAGE_BYTES, Faults, GatewayOptions
from websocket_gateway.local.routing import CONNECTIONS_PATH, Address, find_address
from websocket_gateway.local.signing import signature_error
from websocket_gateway.local.store import Store

logger = logging.getLogger("websocket_gateway.local")

_ID = re.compile(r"[A-Za-z0-9_-]{1,126}={0,2}")
NORMAL_CLOSURE = 1000


class ManagementApi:
    """Serves `apigatewaymanagementapi` for the sockets of a registry."""

    def __init__(self, store: Store, registry: Registry, *, options: GatewayOptions, faults: Faults) -> None:
        self._store = store
        self._registry = registry
        self._options = options
        self._faults = faults
        self._late: set[asyncio.Task[None]] = set()

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Execute one call."""
        try:
            response = await self._respond(request)
        except ApiError as error:
            hidden = error.status == 413 and self._options.quirks.payload_too_large_code == "absent"
            response = error_response(error, name_type=not hidden)
        logger.debug("%s @connections %d", request.method, response.status)
        return response

    async def _respond(self, request: HttpRequest) -> HttpResponse:
        address = self._authorized(request)
        if self._faults.delay_posts:
            await asyncio.sleep(self._faults.delay_posts)
        if self._faults.occurs("throttle_posts"):
            raise LimitExceededError("Rate exceeded")
        if self._faults.occurs("fail_posts"):
            raise InternalError("Internal server error")
        connection_id = unquote(address.rest.removeprefix(CONNECTIONS_PATH))
        if not _ID.fullmatch(connection_id):
            raise BadRequestError(f"Invalid connectionId: {connection_id}")
        if request.method == "POST" and len(request.body) > MAX_MESSAGE_BYTES:
            raise PayloadTooLargeError("Message too long")
        connection = self._registry.find_open(connection_id, address.api_id, address.stage["stageName"])
        if connection is None:
            raise GoneError("The connection with the provided id no longer exists.")
        return await self._execute(request, connection)

    def _authorized(self, request: HttpRequest) -> Address:
        problem = signature_error(
            request, self._options.verify_secret, now=lambda: datetime.now(timezone.utc)
        )
        if problem is not None:
            raise ForbiddenError(problem)
        address = find_address(self._store, request.header("host"), request.raw_path)
        if (
            address is None
            or request.method not in ("POST", "GET", "DELETE")
            or not address.rest.startswith(CONNECTIONS_PATH)
            or "/" in address.rest.removeprefix(CONNECTIONS_PATH)
            or address.rest == CONNECTIONS_PATH
        ):
            raise ForbiddenError("Missing Authentication Token")
        refused = self._options.quirks.disabled_endpoint_callbacks == "refused"
        if refused and not address.custom_domain and address.snapshot["disableExecuteApiEndpoint"]:
            raise ForbiddenError("Forbidden")
        return address

    async def _execute(self, request: HttpRequest, connection: Connection) -> HttpResponse:
        if request.method == "GET":
            return json_response(200, _describe(connection))
        if request.method == "DELETE":
            await connection.close(NORMAL_CLOSURE, "")
            return json_response(204, None)
        if not self._faults.occurs("drop_posts"):
            text = request.body.decode("utf-8", "replace")
            for _ in range(2 if self._faults.occurs("double_posts") else 1):
                await self._deliver(connection, text)
        return json_response(200, None)

    async def _deliver(self, connection: Connection, text: str) -> None:
        """Send the text of a post, now or, if a fault holds it back, in a task."""
        if self._faults.occurs("defer_posts"):
            self._send_later(connection, text, asyncio.Event())
        elif self._faults.occurs("reorder_posts"):
            self._send_later(connection, text, connection.overtaken)
        elif await connection.send_text(text):
            connection.overtaken.set()
            connection.overtaken = asyncio.Event()
        else:
            raise GoneError("The connection with the provided id no longer exists.")

    def _send_later(self, connection: Connection, text: str, overtaken: asyncio.Event) -> None:
        """Send the text after another post of the connection, or else after `defer_seconds`."""

        async def send() -> None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(overtaken.wait(), self._faults.defer_seconds)
            with suppress(LimitExceededError):  # the post was answered long ago
                await connection.send_text(text)

        task = asyncio.create_task(send())
        self._late.add(task)
        task.add_done_callback(self._late.discard)


def _describe(connection: Connection) -> dict[str, object]:
    return {
        "connectedAt": _precise_time(connection.connected_at),
        "lastActiveAt": _precise_time(connection.last_active_at),
        "identity": {"sourceIp": connection.source_ip, "userAgent": connection.user_agent},
    }


def _precise_time(moment: float) -> str:
    stamp = datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")
