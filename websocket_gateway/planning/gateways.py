"""Wanted gateway x observed gateway -> plan, in an order that AWS accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from websocket_gateway.planning import leftovers
from websocket_gateway.planning.differences import update_step
from websocket_gateway.planning.plans import Action, Kind, Plan, Step
from websocket_gateway.planning.routes import plan_routes
from websocket_gateway.planning.stages import plan_deployment, plan_stage
from websocket_gateway.resources import UUID_TAG, ObservedGateway, Route, WantedGateway


def plan_gateway(
    wanted: WantedGateway,
    observed: ObservedGateway,
    *,
    record: tuple[Step, ...] = (),
    notes: tuple[str, ...] = (),
    prune: bool = False,
    deployment_owed: bool = False,
) -> Plan:
    """The plan that makes `observed` into `wanted`; `record` are the steps in our own database.

    What nobody wants is left, unless `prune`. Raises `PlanError` for routes that AWS would refuse.
    """
    uuid = wanted.api.tags[UUID_TAG]
    steps = [*record, *_plan_api(wanted, observed)]
    steps.extend(plan_routes(wanted, observed, uuid=uuid))
    routes = list(leftovers.unwanted_routes(wanted, observed, uuid=uuid))
    surviving = (
        () if prune else [step.resource.route_id for step in routes if isinstance(step.resource, Route)]
    )
    unwanted = [
        *routes,
        *leftovers.unwanted_integrations(wanted, observed, uuid=uuid, surviving=surviving),
    ]
    steps.extend(unwanted if prune else ())
    steps.extend(plan_stage(wanted, observed))
    steps.extend(plan_deployment(wanted, observed, steps, owed=deployment_owed))
    # What comes after the deployment (a custom domain, say) is planned here.
    stages = tuple(leftovers.unwanted_stages(wanted, observed, uuid=uuid))
    left = () if prune else (*unwanted, *stages)
    return Plan(
        gateway=wanted.api.name,
        steps=(*steps, *stages) if prune else tuple(steps),
        left=(*left, *leftovers.twins(observed)),
        notes=notes,
    )


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
