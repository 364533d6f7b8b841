"""The data plane: serves sockets, and sends their connects and disconnects to the backend."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable

from websocket_gateway.local.connections import GOING_AWAY, Connection, Registry, new_opaque_id
from websocket_gateway.local.forwarding import BackendResponse
from websocket_gateway.local.handshake import Handshake, accept, read_handshake, refuse, relay
from websocket_gateway.local.http import Receive, Scope, Send
from websocket_gateway.local.integration import (
    IntegrationError,
    Integrations,
    add_disconnect_status,
    build_context,
)
from websocket_gateway.local.mapping import Event
from websocket_gateway.local.messages import Messages, pause
from websocket_gateway.local.model import Wire
from websocket_gateway.local.options import Faults, GatewayOptions
from websocket_gateway.local.routing import Address, find_address, host_name
from websocket_gateway.local.store import Store

logger = logging.getLogger("websocket_gateway.local")

UNSUPPORTED_DATA = 1003


class DataPlane:
    """Serves sockets over the deployed routes."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        integrations: Integrations,
        *,
        options: GatewayOptions,
        faults: Faults,
    ) -> None:
        self._store = store
        self._registry = registry
        self._integrations = integrations
        self._options = options
        self._faults = faults
        self._messages = Messages(store, integrations, options=options, faults=faults)
        self._background: set[asyncio.Task[None]] = set()
        self._stopping = False

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket from the handshake to its end."""
        await receive()
        handshake = read_handshake(scope)
        if self._stopping or handshake.is_too_long:
            await refuse(send, *((503, "Service Unavailable") if self._stopping else (414, "URI Too Long")))
            return
        address = self._find_address(handshake)
        if address is None:
            logger.info("%s refused 403: no such stage, or not allowed", handshake.path)
            await refuse(send, 403, "Forbidden")
            return
        connection = _new_connection(handshake, address, send)
        self._registry.add(connection)
        try:
            response = await self._connect(connection, address, handshake)
            if response is None:
                return
            await self._open(connection, handshake, response)
        finally:
            if connection.state != "open":
                connection.state = "closed"
                self._registry.remove(connection)
        if connection.state == "open":
            await self._receive_all(connection, receive)

    def _find_address(self, handshake: Handshake) -> Address | None:
        address = find_address(self._store, handshake.host, handshake.path)
        if address is None or address.rest not in ("", "/"):
            return None
        if address.snapshot["disableExecuteApiEndpoint"] and not address.custom_domain:
            return None
        route = address.snapshot["routes"].get("$connect", {})
        if route.get("authorizationType") == "AWS_IAM" and not handshake.is_signed:
            return None
        return address

    async def _connect(
        self, connection: Connection, address: Address, handshake: Handshake
    ) -> BackendResponse | None:
        """Send `$connect`. Return the response, or `None` if the handshake was refused."""
        route = address.snapshot["routes"].get("$connect")
        if route is None:
            return BackendResponse(status=200, headers=(), body=b"")
        event = Event(
            kind="CONNECT",
            context=build_context(connection, "CONNECT", "$connect", new_opaque_id()),
            stage_variables=address.stage["stageVariables"],
            headers=handshake.headers,
            query=handshake.query,
        )
        await pause(self._faults.delay_connects)
        try:
            response = await self._integrations.call(address.snapshot, route, event)
        except IntegrationError as exc:
            logger.info("$connect refused %d: %s", exc.status, exc.message)
            await refuse(connection.send, exc.status, exc.message)
            return None
        if not response.ok:
            logger.info("$connect refused %d by the backend", response.status)
            await relay(connection.send, response)
            return None
        return response

    async def _open(self, connection: Connection, handshake: Handshake, response: BackendResponse) -> None:
        if connection.state == "closed":
            # The gateway began to stop during $connect. The backend accepted it, so it must get $disconnect.
            await refuse(connection.send, 503, "Service Unavailable")
            self._in_background(self._disconnect(connection))
            return
        # Before the client can know: it may ask for a post to this connection in the same moment.
        connection.state = "open"
        connection.touch()
        await accept(connection.send, handshake, response)
        logger.info("%s connected", connection.id)

    async def _receive_all(self, connection: Connection, receive: Receive) -> None:
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    break
                if message["type"] == "websocket.ping":
                    if self._options.quirks.ping_activity == "counts":
                        connection.touch()
                    continue
                connection.touch()
                if message.get("text") is None:
                    await connection.close(UNSUPPORTED_DATA, "Binary is not supported")
                elif connection.state == "open":
                    await self._messages.forward(connection, message["text"])
            if connection.state == "open":
                connection.close_code = int(message.get("code") or 1005)
                connection.close_reason = str(message.get("reason") or "")
        finally:
            connection.state = "closed"
            self._registry.remove(connection)
            logger.info("%s disconnected (%d)", connection.id, connection.close_code)
            self._in_background(self._disconnect(connection))

    async def _disconnect(self, connection: Connection) -> None:
        served = self._store.find_served(connection.api_id, connection.stage)
        route: Wire | None = served[1]["routes"].get("$disconnect") if served else None
        if served is None or route is None or self._faults.occurs("skip_disconnects"):
            return
        await pause(self._faults.delay_disconnects)
        context = build_context(connection, "DISCONNECT", "$disconnect", new_opaque_id())
        if self._options.quirks.disconnect_status == "mapped":
            add_disconnect_status(context, connection)
        event = Event(kind="DISCONNECT", context=context, stage_variables=served[0]["stageVariables"])
        try:
            await self._integrations.call(served[1], route, event)
        except IntegrationError as exc:
            logger.info("$disconnect of %s was lost: %s", connection.id, exc.message)

    def _in_background(self, work: Coroutine[object, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def sweep(self) -> None:
        """Close sockets that exceed the idle timeout or the maximum duration, or whose stage was deleted."""
        overdue = self._registry.overdue(
            now=time.time(),
            idle_timeout=self._options.idle_timeout,
            max_duration=self._options.max_duration,
        )
        orphaned = [
            connection
            for connection in self._registry
            if connection.state == "open"
            and self._store.find_served(connection.api_id, connection.stage) is None
        ]
        await _close_all([*overdue, *orphaned])

    async def stop(self) -> None:
        """Close every socket, and wait up to the shutdown grace for the `$disconnect` events."""
        self._stopping = True
        await _close_all(self._registry)
        deadline = time.monotonic() + self._options.shutdown_grace
        while (self._background or len(self._registry)) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)


async def _close_all(connections: Iterable[Connection]) -> None:
    await asyncio.gather(*(connection.close(GOING_AWAY, "Going away") for connection in connections))


def _new_connection(handshake: Handshake, address: Address, send: Send) -> Connection:
    now = time.time()
    domain = host_name(handshake.host) if address.custom_domain else handshake.host
    return Connection(
        id=new_opaque_id(),
        api_id=address.api_id,
        stage=address.stage["stageName"],
        domain_name=domain,
        source_ip=handshake.source_ip,
        user_agent=handshake.user_agent,
        send=send,
        abort=handshake.abort,
        connected_at=now,
        last_active_at=now,
    )
