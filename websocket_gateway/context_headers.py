"""The headers that integrations map from the context of an event, for provisioning and receiving.

The header names never change. They have neither dash nor underscore: WSGI puts `X-A` and `X_A` into the
same variable, so a client could send a second header of the same meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CONNECTION_ID_HEADER: Final = "connectionId"
EVENT_TYPE_HEADER: Final = "wsEventType"
ROUTE_KEY_HEADER: Final = "wsRouteKey"
SOURCE_IP_HEADER: Final = "wsSourceIp"
CONNECTED_AT_HEADER: Final = "wsConnectedAt"
STAGE_HEADER: Final = "wsStage"
REQUEST_ID_HEADER: Final = "wsRequestId"
MESSAGE_ID_HEADER: Final = "wsMessageId"
ORIGIN_SECRET_HEADER: Final = "wsOriginSecret"  # noqa: S105 - the name of a header
LEGACY_SECRET_HEADER: Final = "X-Ws-Gateway-Secret"  # noqa: S105 - the name of a header
"""Of django-aws-api-gateway-websockets, whose gateways are imported."""

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
CONTEXT_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        CONNECTION_ID_HEADER: "context.connectionId",
        EVENT_TYPE_HEADER: "context.eventType",
        ROUTE_KEY_HEADER: "context.routeKey",
        SOURCE_IP_HEADER: "context.identity.sourceIp",
        CONNECTED_AT_HEADER: "context.connectedAt",
        STAGE_HEADER: "context.stage",
        REQUEST_ID_HEADER: "context.requestId",
    }
)
"""Mapped on every integration: header -> context variable."""

MESSAGE_CONTEXT_HEADERS: Final[Mapping[str, str]] = MappingProxyType({MESSAGE_ID_HEADER: "context.messageId"})
"""Mapped on integrations of message routes only."""

STATIC_HEADERS: Final[Mapping[str, str]] = MappingProxyType({"Sec-WebSocket-Version": "0"})
"""Mapped on every integration: a passed-through `13` on a plain POST makes some servers answer 400."""
