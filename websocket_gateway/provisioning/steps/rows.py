"""Steps in our own database."""

from __future__ import annotations

from functools import partial

from django.db import router

from websocket_gateway.concurrency import retry_when_busy
from websocket_gateway.conf import is_loopback
from websocket_gateway.connections.ending import end_gone
from websocket_gateway.leases import GatewayLease
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute, WebSocketSession
from websocket_gateway.models.gateways import DOMAIN_ADDRESS_FIELDS
from websocket_gateway.provisioning.plan import Action, AnyStep, Kind
from websocket_gateway.provisioning.steps.context import Context, Handler

_BATCH = 1_000
_SETTLING_SECONDS = 10.0
"""How long events that were on their way when the deployment was done may take to arrive."""


def save_record(context: Context, step: AnyStep) -> None:
    """Save the gateway's row with the values that the step shows."""
    values = step.values
    if "deployed_stage" in values:
        _leave_on_stage(context)
    if values.keys() & DOMAIN_ADDRESS_FIELDS:
        values["custom_domain_created"] = context.gateway.custom_domain_created
    context.save(**values)


def save_route_record(context: Context, step: AnyStep) -> None:
    """Save the row of an additional route with the values that the step shows."""
    ApiGatewayAdditionalRoute.objects.update_or_create(
        api_gateway=context.gateway,
        route_key=step.name,
        defaults=step.values,
    )


def delete_record(context: Context, step: AnyStep) -> None:
    """Delete the row."""
    delete_row(context.gateway, context.lease)


def delete_row(gateway: ApiGateway, lease: GatewayLease) -> None:
    """Delete the row with its routes; its sessions, which may be many, end and go in batches before it."""
    _end_sessions(gateway)
    _delete_sessions(gateway)
    lease.check()
    gateway.delete()


def end_rotation(context: Context, step: AnyStep) -> None:
    """Refuse the origin secret of the generation before, once AWS sends it no more."""
    _settle(context, "events that carry the old origin secret")
    context.save(**step.values)


def _leave_on_stage(context: Context) -> None:
    """Note the stage of sockets that were opened before events said it: the one that is deployed so far."""
    if _note_stage(context.gateway):
        _settle(context, "events that do not say their stage")
        _note_stage(context.gateway)


def _note_stage(gateway: ApiGateway) -> bool:
    """Whether there was a session without a stage; each of them is on the deployed one now."""
    sessions = WebSocketSession.objects.using(router.db_for_write(WebSocketSession))
    unknown = sessions.filter(api_gateway=gateway, connected=True, stage_name="").order_by("pk")
    last = 0
    while keys := list(unknown.filter(pk__gt=last).values_list("pk", flat=True)[:_BATCH]):
        last = keys[-1]
        update = partial(sessions.filter(pk__in=keys).update, stage_name=gateway.live_stage)
        retry_when_busy(update, model=WebSocketSession)
    return bool(last)


def _settle(context: Context, events: str) -> None:
    if not is_loopback(context.apis.client.meta.endpoint_url):
        context.on_wait(f"waiting {_SETTLING_SECONDS:.0f} s for {events}")
        context.apis.sleep(_SETTLING_SECONDS)


def end_sessions_of(context: Context, step: AnyStep) -> None:
    """Mark the gateway's open sessions as ended."""
    _end_sessions(context.gateway)


def _end_sessions(gateway: ApiGateway) -> None:
    using = router.db_for_write(WebSocketSession)
    sessions = WebSocketSession.objects.using(using).filter(api_gateway=gateway, connected=True)
    while found := dict(sessions.order_by("pk").values_list("pk", "connection_id")[:_BATCH]):
        end_gone(found, using=using)


def _delete_sessions(gateway: ApiGateway) -> None:
    sessions = WebSocketSession.objects.filter(api_gateway=gateway).order_by("pk")
    while keys := list(sessions.values_list("pk", flat=True)[:_BATCH]):
        retry_when_busy(WebSocketSession.objects.filter(pk__in=keys).delete, model=WebSocketSession)


HANDLERS: dict[tuple[Action, Kind], Handler] = {
    (Action.DELETE, Kind.RECORD): delete_record,
    (Action.UPDATE, Kind.SESSIONS): end_sessions_of,
    (Action.UPDATE, Kind.ORIGIN_SECRET): end_rotation,
    (Action.CREATE, Kind.ROUTE_RECORD): save_route_record,
    (Action.UPDATE, Kind.ROUTE_RECORD): save_route_record,
    (Action.CREATE, Kind.RECORD): save_record,
    (Action.UPDATE, Kind.RECORD): save_record,
}
