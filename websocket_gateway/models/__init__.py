"""Fields, constraints, indexes and QuerySet vocabulary. No model touches the network."""

from __future__ import annotations

from websocket_gateway.models.broadcasts import BroadcastRun, BroadcastShard
from websocket_gateway.models.channels import (
    Channel,
    ChannelCursor,
    ChannelMember,
    ChannelMessage,
)
from websocket_gateway.models.gateways import ApiGateway, ApiGatewayAdditionalRoute
from websocket_gateway.models.last_runs import LastRun
from websocket_gateway.models.security import (
    ChannelPermission,
    ConnectionRateLimit,
    RefusalCount,
    WebSocketToken,
)
from websocket_gateway.models.sessions import ChannelSubscription, HandledMessage, WebSocketSession

__all__ = [
    "ApiGateway",
    "ApiGatewayAdditionalRoute",
    "BroadcastRun",
    "BroadcastShard",
    "Channel",
    "ChannelCursor",
    "ChannelMember",
    "ChannelMessage",
    "ChannelPermission",
    "ChannelSubscription",
    "ConnectionRateLimit",
    "HandledMessage",
    "LastRun",
    "RefusalCount",
    "WebSocketSession",
    "WebSocketToken",
]
