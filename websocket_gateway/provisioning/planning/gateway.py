"""Wanted gateway x observed gateway -> plan, in an order that AWS accepts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from websocket_gateway.provisioning.plan import Action, AnyStep, Kind, Other, Plan, RecordStep, Step
from websocket_gateway.provisioning.planning import marks
from websocket_gateway.provisioning.planning.differences import update_step
from websocket_gateway.provisioning.planning.domain import dangling_names, owner_notes, plan_domain
from websocket_gateway.provisioning.planning.leftovers import find_leftovers
from websocket_gateway.provisioning.planning.routes import plan_routes
from websocket_gateway.provisioning.planning.taken_back import find_unmanaged
from websocket_gateway.resources import UUID_TAG, Deployment, ObservedGateway, WantedGateway


def plan_gateway(
    wanted: WantedGateway,
    observed: ObservedGateway,
    *,
    record: tuple[RecordStep, ...] = (),
    deployed: tuple[RecordStep, ...] = (),
    notes: tuple[str, ...] = (),
    prune: bool = False,
    deployment_owed: bool = False,
    sockets: Mapping[str, int] = MappingProxyType({}),  # noqa: B008 - read-only
    others: Mapping[str, Other] = MappingProxyType({}),  # noqa: B008 - read-only
    move_mapping: bool = False,
) -> Plan:
    """The plan that makes `observed` into `wanted`.

    `record` are the steps in our own database, `deployed` those that follow the deployment. `others`, by API
    id, are our other gateways; `move_mapping` takes a path of the domain from them. What is not wanted is
    left, unless `prune`; a stage is kept while `sockets` has any on it. Raises `PlanError`.
    """
    uuid = wanted.api.tags[UUID_TAG]
    rest = find_leftovers(wanted, observed, uuid=uuid, prune=prune, sockets=sockets)
    routes = (*plan_routes(wanted, observed, uuid=uuid), *(rest.resources if prune else ()))
    steps: list[AnyStep] = [*record, *_plan_api(wanted, observed), *routes]
    steps.extend(_plan_stage(wanted, observed, left=() if prune else rest.route_keys))
    deployment = tuple(_plan_deployment(wanted, observed, steps, owed=deployment_owed))
    kept = {stage.stage_name for stage in observed.stages} - {step.name for step in rest.stages if prune}
    earlier = _plan_earlier_stages(wanted, observed, uuid=uuid, deploys=bool(deployment), kept=kept)
    steps.extend((*deployment, *earlier, *deployed))
    if want := wanted.domain:
        steps.extend(plan_domain(wanted, want, observed, uuid=uuid, others=others, move=move_mapping))
    # A mapping keeps the stage that it leads to, so domains go first.
    steps.extend((*rest.domains, *rest.stages) if prune else ())
    left = () if prune else (*rest.resources, *rest.domains, *rest.stages)
    return Plan(
        gateway=wanted.api.name,
        steps=tuple(steps),
        left=(*left, *rest.kept),
        unmanaged=tuple(find_unmanaged(wanted, observed)),
        notes=(*notes, *_domain_notes(wanted, observed, others, pruned=steps if prune else ())),
    )


def _domain_notes(
    wanted: WantedGateway,
    observed: ObservedGateway,
    others: Mapping[str, Other],
    *,
    pruned: Sequence[AnyStep],
) -> Iterator[str]:
    if wanted.domain is not None:
        yield from owner_notes(wanted.domain, observed, others)
    if pruned:
        yield from dangling_names(pruned)


def _plan_api(wanted: WantedGateway, observed: ObservedGateway) -> Iterator[AnyStep]:
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


def _plan_stage(
    wanted: WantedGateway, observed: ObservedGateway, *, left: Collection[str] = ()
) -> Iterator[AnyStep]:
    """The steps that create or fix the stage; `left` are keys of leftover routes, whose settings stay too."""
    name = wanted.stage.stage_name
    stage = observed.find_stage(name)
    if stage is None:
        yield Step(
            action=Action.CREATE,
            kind=Kind.STAGE,
            name=name,
            reason="missing in AWS",
            resource=wanted.stage,
        )
        return
    yield from update_step(Kind.STAGE, name, wanted.stage, stage)
    for key in stage.route_settings or ():
        if key not in left:
            yield Step(
                action=Action.DELETE,
                kind=Kind.ROUTE_SETTINGS,
                name=key,
                reason="the settings of the stage apply to every route",
                resource=wanted.stage,
            )


def _plan_deployment(
    wanted: WantedGateway, observed: ObservedGateway, steps: Sequence[AnyStep], *, owed: bool
) -> Iterator[AnyStep]:
    """One deployment if `steps` or what the stage serves need it, or if an earlier run still owes it.

    `steps` are all that come before it.
    """
    reason = _why_deploy(wanted, observed, steps)
    if owed and not reason:
        reason = "an earlier run was cut off before it"
    served = observed.deployment
    if reason:
        yield Step(
            action=Action.CREATE,
            kind=Kind.DEPLOYMENT,
            name=wanted.stage.stage_name,
            reason=reason,
            resource=Deployment(
                deployment_id="", status="DEPLOYED", description=marks.deployment_description(wanted)
            ),
        )
    elif served is not None and served.status == "PENDING":
        yield Step(
            action=Action.WAIT,
            kind=Kind.DEPLOYMENT,
            name=wanted.stage.stage_name,
            reason="an earlier run began it",
            resource=served,
        )


def _plan_earlier_stages(
    wanted: WantedGateway, observed: ObservedGateway, *, uuid: str, deploys: bool, kept: Collection[str]
) -> Iterator[Step[Deployment]]:
    """Earlier stages of ours serve what the wanted one does: their sockets live on, with their pages."""
    served = observed.deployment
    for stage in observed.stages:
        if stage.stage_name == wanted.stage.stage_name or stage.stage_name not in kept or stage.auto_deploy:
            continue
        behind = deploys or (served is not None and served.deployment_id != stage.deployment_id)
        if behind and marks.is_marked(stage.tags, uuid):
            yield Step(
                action=Action.UPDATE,
                kind=Kind.DEPLOYMENT,
                name=stage.stage_name,
                reason="an earlier stage serves the same until it is deleted",
                resource=Deployment(deployment_id="", status="DEPLOYED"),
            )


def _why_deploy(wanted: WantedGateway, observed: ObservedGateway, steps: Sequence[AnyStep]) -> str:
    if any(step.structural for step in steps):
        return "changes are served only after a deployment"
    if observed.deployment is None:
        return "the stage serves no deployment"
    if observed.deployment.status == "FAILED":
        return "the stage's deployment FAILED"
    served = marks.deployed_structure(observed.deployment.description)
    if served is None:
        return "the stage serves a deployment that was not made here"
    return "" if served == marks.structure_of(wanted) else "the stage serves an earlier state"


def adoption_notes(wanted: WantedGateway, observed: ObservedGateway) -> Iterator[str]:
    """A note on protection that is removed from routes, and one on a stage that is created beside others."""
    keys = {want.route_key for want in wanted.routes}
    for route in observed.routes:
        if route.route_key not in keys:
            continue
        if route.authorization_type not in ("", "NONE"):
            yield f"the authorization {route.authorization_type} of route {route.route_key} is removed"
        if route.api_key_required:
            yield f"route {route.route_key} needs no API key any more"
    name = wanted.stage.stage_name
    if observed.stages and observed.find_stage(name) is None:
        others = ", ".join(sorted(stage.stage_name for stage in observed.stages))
        yield f"the stage {name} is created beside {others}, which clients may use; --stage NAME keeps one"
