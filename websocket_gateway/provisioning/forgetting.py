"""Forget a gateway: delete its row here, and leave AWS as it is. Needs no credentials."""

from __future__ import annotations

from collections.abc import Callable

from websocket_gateway.aws.apis import no_progress
from websocket_gateway.leases import leased
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.plan import Action, AnyStep, Kind, Plan, Step
from websocket_gateway.provisioning.steps.rows import delete_row


def plan_forgetting(gateway: ApiGateway) -> Plan:
    """The plan that deletes the row of `gateway` with its routes and sessions; changes nothing."""
    step: AnyStep = Step(
        action=Action.DELETE,
        kind=Kind.RECORD,
        name=gateway.api_name,
        reason="with its routes and sessions; AWS is not changed",
        resource=None,
    )
    return Plan(gateway=gateway.api_name, steps=(step,), notes=tuple(_left_in_aws(gateway)))


def forget_gateway(
    gateway: ApiGateway,
    *,
    confirm: Callable[[Plan], None],
    on_step: Callable[[AnyStep], None],
    on_wait: Callable[[str], None] = no_progress,
) -> Plan:
    """Delete the row while no other process changes the gateway; answers the plan that was applied.

    `confirm` sees the plan before anything is done, and raises to stop. Run it again after any failure.
    """
    with leased(gateway, on_wait=on_wait) as lease:
        gateway.refresh_from_db()
        plan = plan_forgetting(gateway)
        confirm(plan)
        delete_row(gateway, lease)
        for step in plan:
            on_step(step)
    return plan


def _left_in_aws(gateway: ApiGateway) -> list[str]:
    if not gateway.api_id:
        return []
    if gateway.is_foreign:
        return [f"API {gateway.api_id} belongs to another installation and stays in AWS"]
    return [f"API {gateway.api_id} stays in AWS without a row; --adopt {gateway.api_id} adopts it again"]
