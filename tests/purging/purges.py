"""A purge, and what is left after it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from websocket_gateway.models import (
    WebSocketSession,
)
from websocket_gateway.purging import purge


def ago(**length: float) -> datetime:
    return timezone.now() - timedelta(**length)


def connected() -> set[str]:
    return set(WebSocketSession.objects.filter(connected=True).values_list("connection_id", flat=True))


def count(name: str, **options: Any) -> int:
    return purge(**options).counts[name]
