"""Saving what a run learnt: these fields and no others, so that what somebody else edits meanwhile stays."""

from __future__ import annotations

from django.db import DatabaseError

from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.exceptions import GatewayNotFoundError
from websocket_gateway.models import ApiGateway


def save_fields(gateway: ApiGateway, *names: str) -> None:
    """Save these fields of the row, again while the database is busy.

    Raises `GatewayNotFoundError` if somebody has deleted the row.
    """
    try:
        retry_when_busy(lambda: gateway.save(update_fields=[*names, "updated_on"]), model=ApiGateway)
    except DatabaseError as exc:
        if exc.__cause__ is not None:
            raise  # the database's own; Django's is that there was nothing to update
        left = f" API {gateway.api_id!r} is left in AWS; --adopt takes it over." if gateway.api_id else ""
        raise GatewayNotFoundError(
            f"The row of gateway {gateway.api_name!r} was deleted while it was worked on.{left}"
        ) from exc
