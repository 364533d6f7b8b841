"""Wanted gateway x observed gateway -> plan, in an order that AWS accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from websocket_gateway.provisioning.plan import Action, Kind, Plan, Step
from websocket_gateway.provisioning.planning.differences import update_step
from websocket_gateway.provisioning.planning.domain import dangling_names, plan_domain
from websocket_gateway.provisioning.planning.leftovers import find_leftovers
from websocket_gateway.provisioning.planning.routes import plan_routes
from websocket_gateway.provisioning.planning.stage import plan_deployment, plan_stage
from websocket_gateway.resources import UUID_TAG, ObservedGateway, WantedGateway


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
    rest = find_leftovers(wanted, observed, uuid=uuid, prune=prune)
    steps = [*record, *_plan_api(wanted, observed)]
    steps.extend(plan_routes(wanted, observed, uuid=uuid))
    steps.extend(rest.resources if prune else ())
    steps.extend(plan_stage(wanted, observed, left=() if prune else rest.route_keys))
    steps.extend(plan_deployment(wanted, observed, steps, owed=deployment_owed))
    steps.extend(plan_domain(wanted, observed, uuid=uuid))
    # A mapping keeps the stage that it leads to, so domains go first.
    steps.extend((*rest.domains, *rest.stages) if prune else ())
    left = () if prune else (*rest.resources, *rest.domains, *rest.stages)
    return Plan(
        gateway=wanted.api.name,
        steps=tuple(steps),
        left=(*left, *rest.twins),
        notes=(*notes, *dangling_names(steps)),
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
