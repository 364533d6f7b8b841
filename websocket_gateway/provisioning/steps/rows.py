"""Steps in our own database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websocket_gateway.connections.gateway_sessions import delete_sessions, end_sessions
from websocket_gateway.models import ApiGatewayAdditionalRoute
from websocket_gateway.provisioning.plan import Action, Kind, Step

if TYPE_CHECKING:
    from websocket_gateway.provisioning.applying import Applying


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
    """Delete the row with its routes; its sessions, which may be many, go in batches before it."""
    delete_sessions(run.gateway)
    run.gateway.delete()


def end_sessions_of(run: Applying, step: Step) -> None:
    """Mark the gateway's open sessions as ended."""
    end_sessions(run.gateway)


DEEDS = {
    (Action.DELETE, Kind.RECORD): delete_record,
    (Action.UPDATE, Kind.SESSIONS): end_sessions_of,
    (Action.CREATE, Kind.ROUTE_RECORD): save_route_record,
    (Action.UPDATE, Kind.ROUTE_RECORD): save_route_record,
    (Action.CREATE, Kind.RECORD): save_record,
    (Action.UPDATE, Kind.RECORD): save_record,
}
