"""The sessions that the queries are about, and which of them got a message."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models import (
    F,
    OuterRef,
    Window,
)
from django.db.models.functions import RowNumber

from websocket_gateway.models import WebSocketSession

Sessions = Any
ALL = [0, 1, 2, 3, 4, 5, 6]
A, B, C = [0, 3, 6], [1, 4], [2, 5]
SUBSCRIBED = [1, 4, 6]
TABLE = "websocket_gateway_websocketsession"


def evaluated(query: Sessions) -> Sessions:
    list(query)
    return query


def ann() -> Any:
    return User.objects.get(username="ann")


def raw() -> Any:
    return WebSocketSession.objects.raw(f"SELECT * FROM {TABLE}")


def numbered(**options: Any) -> Window:
    return Window(RowNumber(), partition_by="channel_name", order_by=F("pk").desc(), **options)


def same_channel() -> Any:
    return WebSocketSession.objects.filter(channel_name=OuterRef("channel_name"), pk__lt=OuterRef("pk"))


def reached(fake: Any, rows: list[WebSocketSession]) -> list[int]:
    """Numbers of the rows, each as often as it got the message."""
    numbers = {row.connection_id: number for number, row in enumerate(rows)}
    return sorted(numbers[frame.connection_id] for frame in fake.sent)
