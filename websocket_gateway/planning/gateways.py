"""Wanted gateway x observed gateway -> plan, in an order that AWS accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from websocket_gateway.planning.differences import update_step
from websocket_gateway.planning.plans import Action, Kind, Plan, Step
from websocket_gateway.planning.routes import plan_routes, seen_and_left
from websocket_gateway.planning.stages import other_stages, plan_deployment, plan_stage
from websocket_gateway.resources import UUID_TAG, ObservedGateway, WantedGateway


def plan_gateway(
    wanted: WantedGateway,
    observed: ObservedGateway,
    *,
    record: tuple[Step, ...] = (),
    notes: tuple[str, ...] = (),
) -> Plan:
    """The plan that makes `observed` into `wanted`; `record` are the steps in our own database."""
    uuid = wanted.api.tags[UUID_TAG]
    steps = [*record, *_plan_api(wanted, observed)]
    steps.extend(plan_routes(wanted, observed, uuid=uuid))
    steps.extend(plan_stage(wanted, observed))
    steps.extend(plan_deployment(wanted, observed, steps))
    # What comes after the deployment (a custom domain, say) is planned here.
    left = (*seen_and_left(wanted, observed, uuid=uuid), *other_stages(wanted, observed, uuid))
    return Plan(gateway=wanted.api.name, steps=tuple(steps), notes=(*notes, *left))


def _plan_api(wanted: WantedGateway, observed: ObservedGateway) -> Iterator[Step]:
    if observed.api is None:
        yield Step(
            action=Action.CREATE,
            kind=Kind.API,
            name=wanted.api.name,
            reason="missing in AWS",
            resource=wanted.api,
        )
        return
    yield from update_step(
        Kind.API, wanted.api.name, replace(wanted.api, api_id=observed.api.api_id), observed.api
    )
