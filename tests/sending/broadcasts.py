"""Who is there to be sent to, and how many got it."""

from __future__ import annotations

from typing import Any

from tests.factories import (
    WebSocketSessionFactory,
)
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import DeliveryReport


def connect(gateway: ApiGateway, *connection_ids: str, **fields: Any) -> list[WebSocketSession]:
    return [
        WebSocketSessionFactory.create(api_gateway=gateway, connection_id=connection_id, **fields)
        for connection_id in connection_ids
    ]


def counts(report: DeliveryReport) -> tuple[int, int, int]:
    return report.delivered, report.gone, report.failed
