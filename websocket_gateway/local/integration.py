"""One event through its route's integration to the backend and back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from websocket_gateway.local.forwarding import BackendAnswer, BackendError, BackendTimeoutError, Forwarder
from websocket_gateway.local.mapping import BackendRequest, Event, build_request
from websocket_gateway.local.model import Wire
from websocket_gateway.local.options import Quirks

logger = logging.getLogger("websocket_gateway.local")

INTERNAL_ERROR = "Internal server error"
MAX_REQUESTS_IN_FLIGHT = 256
TIMED_OUT = "Endpoint request timed out"
_EMPTY = BackendAnswer(status=200, headers=(), body=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedRequest:
    """One event that was sent to the backend, for inspection in tests."""

    kind: str
    route_key: str
    connection_id: str
    request: BackendRequest
    status: int
    """0 when there was no answer."""


Recorder = Callable[[ForwardedRequest], None]


class IntegrationError(Exception):
    """The backend gave no answer; the message and status are what the client is told."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Integrations:
    """Calls integrations."""

    def __init__(self, forwarder: Forwarder, quirks: Quirks, recorder: Recorder | None) -> None:
        self._forwarder = forwarder
        self._quirks = quirks
        self._recorder = recorder
        # A thousand sockets that close at once must not become a thousand threads of the backend; and
        # however many messages are slow, connects and disconnects have lanes of their own.
        self._lanes: dict[str, asyncio.Semaphore] = {
            kind: asyncio.Semaphore(MAX_REQUESTS_IN_FLIGHT) for kind in ("CONNECT", "MESSAGE", "DISCONNECT")
        }

    async def call(self, snapshot: Wire, route: Wire, event: Event) -> BackendAnswer:
        """Send the event where its route leads; raises `IntegrationError`."""
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
        answer = await self._forward(request, route, event)
        if kind == "HTTP" and event.kind == "CONNECT":
            # Without integration responses a non-proxy integration connects whatever the backend says.
            return _EMPTY
        return answer

    async def _forward(self, request: BackendRequest, route: Wire, event: Event) -> BackendAnswer:
        status = 0
        try:
            async with self._lanes[event.kind]:
                answer = await self._forwarder.forward(request)
            status = answer.status
        except BackendTimeoutError as exc:
            logger.warning("%s %s: %s", route["routeKey"], request.target, exc)
            raise IntegrationError(TIMED_OUT, 504) from exc
        except BackendError as exc:
            logger.warning("%s %s: %s", route["routeKey"], request.target, exc)
            raise IntegrationError(INTERNAL_ERROR, 502) from exc
        finally:
            self._record(request, route, event, status)
        logger.log(
            logging.DEBUG if answer.ok else logging.INFO,
            "%s %s %s %d",
            event.context["connectionId"],
            route["routeKey"],
            request.target.partition("?")[0],
            status,
        )
        return answer

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
