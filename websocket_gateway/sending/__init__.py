"""Send a message to connections: to a QuerySet, a channel, a user, or everyone."""

from __future__ import annotations

from websocket_gateway.sending.asynchronous import abroadcast, asend
from websocket_gateway.sending.broadcasting import broadcast, send
from websocket_gateway.sending.delivery import SendOptions
from websocket_gateway.sending.reports import DeliveryReport, Failure

__all__ = ["DeliveryReport", "Failure", "SendOptions", "abroadcast", "asend", "broadcast", "send"]
