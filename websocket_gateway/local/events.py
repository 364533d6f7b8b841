"""The context variables of an event, as parameter mappings can name them."""

from __future__ import annotations

import time
from datetime import datetime, timezone

from websocket_gateway.local.connections import Connection, new_opaque_id
from websocket_gateway.local.mapping import EventKind, as_bytes_text


def build_context(connection: Connection, kind: EventKind, route_key: str, request_id: str) -> dict[str, str]:
    """Everything `context.…` can name at this event."""
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
    """Add what the Lambda event has; whether it can be mapped is not known."""
    context["disconnectStatusCode"] = str(connection.close_code)
    context["disconnectReason"] = connection.close_reason
