"""`@connections`: post to a socket, ask about it, close it."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import datetime, timezone
from urllib.parse import unquote

from websocket_gateway.local.addressing import CONNECTIONS_PATH, Address, find_address
from websocket_gateway.local.answers import HttpAnswer, error_answer, json_answer
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
from websocket_gateway.local.faults import Faults
from websocket_gateway.local.options import MAX_MESSAGE_BYTES, GatewayOptions
from websocket_gateway.local.signing import HttpRequest, why_unsigned
from websocket_gateway.local.store import Store

logger = logging.getLogger("websocket_gateway.local")

_ID = re.compile(r"[A-Za-z0-9_-]{1,126}={0,2}")
NORMAL_CLOSURE = 1000


class ManagementApi:
    """`apigatewaymanagementapi` over the registry of sockets."""

    def __init__(self, store: Store, registry: Registry, *, options: GatewayOptions, faults: Faults) -> None:
        self._store = store
        self._registry = registry
        self._options = options
        self._faults = faults

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        """Carry out one call."""
        try:
            answer = await self._answer(request)
        except ApiError as error:
            hidden = error.status == 413 and self._options.quirks.payload_too_large_code == "absent"
            answer = error_answer(error, name_type=not hidden)
        logger.debug("%s @connections %d", request.method, answer.status)
        return answer

    async def _answer(self, request: HttpRequest) -> HttpAnswer:
        address = self._authorized(request)
        if self._faults.delay_posts:
            await asyncio.sleep(self._faults.delay_posts)
        if self._faults.strikes("throttle_posts"):
            raise LimitExceededError("Rate exceeded")
        if self._faults.strikes("fail_posts"):
            raise InternalError("Internal server error")
        connection_id = unquote(address.rest.removeprefix(CONNECTIONS_PATH))
        if not _ID.fullmatch(connection_id):
            raise BadRequestError(f"Invalid connectionId: {connection_id}")
        if request.method == "POST" and len(request.body) > MAX_MESSAGE_BYTES:
            raise PayloadTooLargeError("Message too long")
        connection = self._registry.find_open(connection_id, address.api_id, address.stage["stageName"])
        if connection is None:
            raise GoneError("The connection with the provided id no longer exists.")
        return await self._act(request, connection)

    def _authorized(self, request: HttpRequest) -> Address:
        why = why_unsigned(request, self._options.verify_secret, now=lambda: datetime.now(timezone.utc))
        if why is not None:
            raise ForbiddenError(why)
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

    async def _act(self, request: HttpRequest, connection: Connection) -> HttpAnswer:
        if request.method == "GET":
            return json_answer(200, _describe(connection))
        if request.method == "DELETE":
            await connection.close(NORMAL_CLOSURE, "")
            return json_answer(204, None)
        if not self._faults.strikes("drop_posts"):
            delivered = await connection.send_text(request.body.decode("utf-8", "replace"))
            if not delivered:
                raise GoneError("The connection with the provided id no longer exists.")
        return json_answer(200, None)


def _describe(connection: Connection) -> dict[str, object]:
    return {
        "connectedAt": _precise_time(connection.connected_at),
        "lastActiveAt": _precise_time(connection.last_active_at),
        "identity": {"sourceIp": connection.source_ip, "userAgent": connection.user_agent},
    }


def _precise_time(moment: float) -> str:
    stamp = datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")
