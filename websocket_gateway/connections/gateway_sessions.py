"""What becomes of the sessions of a gateway that is taken down."""

from __future__ import annotations

from django.utils import timezone

from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.models import ApiGateway, WebSocketSession

_BATCH = 1_000


def end_sessions(gateway: ApiGateway) -> None:
    """Mark every open session of a gateway that is gone as ended, in batches."""
    open_ones = WebSocketSession.objects.filter(api_gateway=gateway, connected=True).order_by("pk")
    while keys := list(open_ones.values_list("pk", flat=True)[:_BATCH]):
        _end(keys)


def delete_sessions(gateway: ApiGateway) -> None:
    """Delete every session of a gateway, in batches."""
    sessions = WebSocketSession.objects.filter(api_gateway=gateway).order_by("pk")
    while keys := list(sessions.values_list("pk", flat=True)[:_BATCH]):
        _delete(keys)


def _end(keys: list[int]) -> None:
    rows = WebSocketSession.objects.filter(pk__in=keys, connected=True)
    retry_when_busy(
        lambda: rows.update(connected=False, disconnected_on=timezone.now()), model=WebSocketSession
    )


def _delete(keys: list[int]) -> None:
    rows = WebSocketSession.objects.filter(pk__in=keys)
    retry_when_busy(lambda: rows.delete(), model=WebSocketSession)
