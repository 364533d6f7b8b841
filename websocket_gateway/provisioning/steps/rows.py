"""Steps in our own database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.connections.ending import end_all_of
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute, WebSocketSession
from websocket_gateway.provisioning.plan import Action, Kind, Step

if TYPE_CHECKING:
    from websocket_gateway.provisioning.applying import Applying

_BATCH = 1_000


def save_record(run: Applying, step: Step) -> None:
    """Save the gateway's row with the values that the step shows."""
    values = {change.attribute: change.after for change in step.changes}
    if "domain_name" in values:
        values["custom_domain_created"] = run.gateway.custom_domain_created
    run.save(**values)


def save_route_record(run: Applying, step: Step) -> None:
    """Save the row of an additional route with the values that the step shows."""
    ApiGatewayAdditionalRoute.objects.update_or_create(
        api_gateway=run.gateway,
        route_key=step.name,
        defaults={change.attribute: change.after for change in step.changes},
    )


def delete_record(run: Applying, step: Step) -> None:
    """Delete the row with its routes; its sessions, which may be many, end and go in batches before it."""
    end_all_of(run.gateway)
    _delete_sessions(run.gateway)
    run.gateway.delete()


def end_sessions_of(run: Applying, step: Step) -> None:
    """Mark the gateway's open sessions as ended."""
    end_all_of(run.gateway)


def _delete_sessions(gateway: ApiGateway) -> None:
    sessions = WebSocketSession.objects.filter(api_gateway=gateway).order_by("pk")
    while keys := list(sessions.values_list("pk", flat=True)[:_BATCH]):
        retry_when_busy(WebSocketSession.objects.filter(pk__in=keys).delete, model=WebSocketSession)


DEEDS = {
    (Action.DELETE, Kind.RECORD): delete_record,
    (Action.UPDATE, Kind.SESSIONS): end_sessions_of,
    (Action.CREATE, Kind.ROUTE_RECORD): save_route_record,
    (Action.UPDATE, Kind.ROUTE_RECORD): save_route_record,
    (Action.CREATE, Kind.RECORD): save_record,
    (Action.UPDATE, Kind.RECORD): save_record,
}
