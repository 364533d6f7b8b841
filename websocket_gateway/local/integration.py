"""An event: its context variables, and its way through the integration of its route to the backend."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from websocket_gateway.local.connections import Connection, new_opaque_id
from websocket_gateway.local.forwarding import BackendError, BackendResponse, BackendTimeoutError, Forwarder
from websocket_gateway.local.mapping import BackendRequest, Event, EventKind, as_bytes_text, build_request
from websocket_gateway.local.model import Wire
from websocket_gateway.local.options import Quirks

logger = logging.getLogger("websocket_gateway.local")

INTERNAL_ERROR = "Internal server error"
MAX_REQUESTS_IN_FLIGHT = 256
TIMED_OUT = "Endpoint request timed out"
_EMPTY = BackendResponse(status=200, headers=(), body=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedRequest:
    """An event that was sent to the backend, for inspection in tests."""

    kind: str
    route_key: str
    connection_id: str
    request: BackendRequest
    status: int
    """0 if there was no response."""


Recorder = Callable[[ForwardedRequest], None]


class IntegrationError(Exception):
    """The backend did not respond. The client receives the message and the status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Integrations:
    """Sends events to the integrations of their routes."""

    def __init__(self, forwarder: Forwarder, quirks: Quirks, recorder: Recorder | None) -> None:
        self._forwarder = forwarder
        self._quirks = quirks
        self._recorder = recorder
        # A thousand sockets that close together must not occupy a thousand threads of the backend. Each
        # kind has its own limit, so that slow messages do not delay connects and disconnects.
        self._limits: dict[str, asyncio.Semaphore] = {
            kind: asyncio.Semaphore(MAX_REQUESTS_IN_FLIGHT) for kind in ("CONNECT", "MESSAGE", "DISCONNECT")
        }

    async def call(self, snapshot: Wire, route: Wire, event: Event) -> BackendResponse:
        """Send the event to the integration of its route. Raise `IntegrationError` if that fails."""
        integration = snapshot["integrations"].get(route.get("target", "").removeprefix("integrations/"))
        if integration is None:
            logger.warning("Route %s has no integration", route["routeKey"])
            raise IntegrationError(INTERNAL_ERROR, 500)
        kind = integration["integrationType"]
        if kind == "MOCK":
            return _EMPTY
        if kind not in ("HTTP", "HTTP_PROXY"):
            logger.warning("Route %s: the local gateway cannot call %s integrations", route["routeKey"], kind)
            raise IntegrationError(INTERNAL_ERROR, 500)
        request = build_request(integration, route, event, self._quirks)
        response = await self._forward(request, route, event)
        if kind == "HTTP" and event.kind == "CONNECT":
            # Without integration responses, a non-proxy integration accepts the connection for any status.
            return _EMPTY
        return response

    async def _forward(self, request: BackendRequest, route: Wire, event: Event) -> BackendResponse:
        status = 0
        try:
            async with self._limits[event.kind]:
                response = await self._forwarder.forward(request)
            status = response.status
        except BackendTimeoutError as exc:
            logger.warning("%s %s: %s", route["routeKey"], request.target, exc)
            raise IntegrationError(TIMED_OUT, 504) from exc
        except BackendError as exc:
            logger.warning("%s %s: %s", route["routeKey"], request.target, exc)
            raise IntegrationError(INTERNAL_ERROR, 502) from exc
        finally:
            self._record(request, route, event, status)
        logger.log(
            logging.DEBUG if response.ok else logging.INFO,
            "%s %s %s %d",
            event.context["connectionId"],
            route["routeKey"],
            request.target.partition("?")[0],
            status,
        )
        return response

    def _record(self, request: BackendRequest, route: Wire, event: Event, status: int) -> None:
        if self._recorder is not None:
            self._recorder(
                ForwardedRequest(
                    kind=event.kind,
                    route_key=route["routeKey"],
                    connection_id=event.context["connectionId"],
                    request=request,
                    status=status,
                )
            )


def build_context(connection: Connection, kind: EventKind, route_key: str, request_id: str) -> dict[str, str]:
    """Return the values of `context.…` for this event."""
    now = time.time()
    context = {
        "apiId": connection.api_id,
        "connectedAt": str(int(connection.connected_at * 1000)),
        "connectionId": connection.id,
        "domainName": connection.domain_name,
        "eventType": kind,
        "extendedRequestId": request_id,
        "identity.sourceIp": connection.source_ip,
        "identity.userAgent": connection.user_agent,
        "messageDirection": "IN",
        "requestId": request_id,
        "requestTime": datetime.fromtimestamp(now, timezone.utc).strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "requestTimeEpoch": str(int(now * 1000)),
        "routeKey": as_bytes_text(route_key),
        "stage": connection.stage,
    }
    if kind == "MESSAGE":
        context["messageId"] = new_opaque_id()
    return context


def add_disconnect_status(context: dict[str, str], connection: Connection) -> None:
    """Add the close code and reason, which Lambda events have. Whether AWS can map them is not known."""
    context["disconnectStatusCode"] = str(connection.close_code)
    context["disconnectReason"] = connection.close_reason
