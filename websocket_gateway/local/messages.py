"""What a client says: route selection, forwarding, and the frame that answers it."""

from __future__ import annotations

import asyncio
import json
import logging

from websocket_gateway.local.addressing import find_served
from websocket_gateway.local.connections import Connection, new_opaque_id
from websocket_gateway.local.errors import LimitExceededError
from websocket_gateway.local.events import build_context
from websocket_gateway.local.faults import Faults
from websocket_gateway.local.forwarding import BackendAnswer
from websocket_gateway.local.integration import INTERNAL_ERROR, IntegrationError, Integrations
from websocket_gateway.local.mapping import Event
from websocket_gateway.local.options import MAX_MESSAGE_BYTES, GatewayOptions
from websocket_gateway.local.routing import select_route_key
from websocket_gateway.local.store import Store

logger = logging.getLogger("websocket_gateway.local")

MAX_MESSAGES_IN_FLIGHT = 256


class Messages:
    """Takes the messages of all connections to the backend."""

    def __init__(
        self, store: Store, integrations: Integrations, *, options: GatewayOptions, faults: Faults
    ) -> None:
        self._store = store
        self._integrations = integrations
        self._options = options
        self._faults = faults

    async def take(self, connection: Connection, text: str) -> None:
        """Messages of one connection go to the backend side by side, as AWS sends them."""
        if len(connection.tasks) >= MAX_MESSAGES_IN_FLIGHT:
            await asyncio.wait(connection.tasks, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(self._message(connection, text))
        connection.tasks.add(task)
        task.add_done_callback(connection.tasks.discard)

    async def _message(self, connection: Connection, text: str) -> None:
        if self._faults.strikes("drop_messages"):
            return
        await pause(self._faults.delay_messages)
        request_id = new_opaque_id()
        try:
            frame = await self._answer_to(connection, text, request_id)
        except IntegrationError as exc:
            frame = error_frame(exc.message, connection, request_id)
        if frame:
            try:
                await connection.send_text(frame)
            except LimitExceededError:
                logger.warning("%s reads too slowly, its reply was dropped", connection.id)

    async def _answer_to(self, connection: Connection, text: str, request_id: str) -> str:
        """The frame that answers a message; empty when nothing is to be sent."""
        served = find_served(self._store, connection.api_id, connection.stage)
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
        answer = await self._integrations.call(served[1], routes[key], event)
        return self._reply(answer) if routes[key]["twoWay"] else ""

    def _reply(self, answer: BackendAnswer) -> str:
        if not answer.ok and self._options.quirks.two_way_error == "error":
            raise IntegrationError(INTERNAL_ERROR, answer.status)
        if len(answer.body) > MAX_MESSAGE_BYTES:
            logger.warning("The answer to a message is larger than 128 KB and was not sent")
            raise IntegrationError(INTERNAL_ERROR, answer.status)
        return answer.body.decode("utf-8", "replace")


def error_frame(message: str, connection: Connection, request_id: str) -> str:
    """What API Gateway itself tells a client."""
    return json.dumps({"message": message, "connectionId": connection.id, "requestId": request_id})


async def pause(seconds: float) -> None:
    """Hold an event back, where a fault asks for it."""
    if seconds > 0:
        await asyncio.sleep(seconds)
