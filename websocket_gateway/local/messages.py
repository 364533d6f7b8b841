"""Messages of clients: select the route, forward the message, send the reply."""

from __future__ import annotations

import asyncio
import json
import logging

from websocket_gateway.local.connections import Connection, new_opaque_id
from websocket_gateway.local.errors import LimitExceededError
from websocket_gateway.local.forwarding import BackendResponse
from websocket_gateway.local.integration import INTERNAL_ERROR, IntegrationError, Integrations, build_context
from websocket_gateway.local.mapping import Event
from websocket_gateway.local.options import MAX_MESSAGE_BYTES, Faults, GatewayOptions
from websocket_gateway.local.routing import select_route_key
from websocket_gateway.local.store import Store

logger = logging.getLogger("websocket_gateway.local")

MAX_MESSAGES_IN_FLIGHT = 256


class Messages:
    """Forwards the messages of all connections to the backend."""

    def __init__(
        self, store: Store, integrations: Integrations, *, options: GatewayOptions, faults: Faults
    ) -> None:
        self._store = store
        self._integrations = integrations
        self._options = options
        self._faults = faults

    async def forward(self, connection: Connection, text: str) -> None:
        """Forward a message in a task: like AWS, messages of one connection are sent in parallel."""
        if len(connection.tasks) >= MAX_MESSAGES_IN_FLIGHT:
            await asyncio.wait(connection.tasks, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._message(connection, text))
        connection.tasks.add(task)
        task.add_done_callback(connection.tasks.discard)

    async def _message(self, connection: Connection, text: str) -> None:
        if self._faults.occurs("drop_messages"):
            return
        await pause(self._faults.delay_messages)
        request_id = new_opaque_id()
        try:
            frame = await self._reply_to(connection, text, request_id)
        except IntegrationError as exc:
            frame = error_frame(exc.message, connection, request_id)
        if frame:
            try:
                await connection.send_text(frame)
            except LimitExceededError:
                logger.warning("%s reads too slowly, its reply was discarded", connection.id)

    async def _reply_to(self, connection: Connection, text: str, request_id: str) -> str:
        """Return the frame to reply with; empty if nothing is to be sent."""
        served = self._store.find_served(connection.api_id, connection.stage)
        routes = served[1]["routes"] if served else {}
        key = served and select_route_key(served[1]["routeSelectionExpression"], text, set(routes))
        if not served or not key:
            return error_frame("Forbidden", connection, request_id)
        event = Event(
            kind="MESSAGE",
            context=build_context(connection, "MESSAGE", key, request_id),
            stage_variables=served[0]["stageVariables"],
            body=text,
        )
        response = await self._integrations.call(served[1], routes[key], event)
        return self._read_reply(response) if routes[key]["twoWay"] else ""

    def _read_reply(self, response: BackendResponse) -> str:
        if not response.ok and self._options.quirks.two_way_error == "error":
            raise IntegrationError(INTERNAL_ERROR, response.status)
        if len(response.body) > MAX_MESSAGE_BYTES:
            logger.warning("The reply to a message is larger than 128 KB and was not sent")
            raise IntegrationError(INTERNAL_ERROR, response.status)
        return response.body.decode("utf-8", "replace")


def error_frame(message: str, connection: Connection, request_id: str) -> str:
    """Return the frame that API Gateway itself sends for an error."""
    return json.dumps({"message": message, "connectionId": connection.id, "requestId": request_id})


async def pause(seconds: float) -> None:
    """Delay an event, if a fault is configured."""
    if seconds > 0:
        await asyncio.sleep(seconds)
