"""Wanted gateway x observed gateway -> plan, in an order that AWS accepts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from websocket_gateway.planning import marks
from websocket_gateway.planning.differences import update_step
from websocket_gateway.planning.plans import Action, Kind, Plan, Step
from websocket_gateway.planning.routes import plan_routes, seen_and_left
from websocket_gateway.resources import UUID_TAG, Deployment, ObservedGateway, Stage, WantedGateway


def plan_gateway(
    wanted: WantedGateway,
    observed: ObservedGateway,
    *,
    record: tuple[Step, ...] = (),
    notes: tuple[str, ...] = (),
) -> Plan:
    """The plan that makes `observed` into `wanted`; `record` are the steps in our own database."""
    uuid = wanted.api.tags[UUID_TAG]
    steps = [*record, *_plan_api(wanted, observed), *plan_routes(wanted, observed, uuid=uuid)]
    steps.extend(_plan_stage(wanted, observed))
    steps.extend(_plan_deployment(wanted, observed, steps))
    left = (*seen_and_left(wanted, observed, uuid=uuid), *_other_stages(wanted, observed, uuid))
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


def _plan_stage(wanted: WantedGateway, observed: ObservedGateway) -> Iterator[Step]:
    stage = serving_stage(wanted, observed)
    name = wanted.stage.stage_name
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


def _plan_deployment(wanted: WantedGateway, observed: ObservedGateway, steps: list[Step]) -> Iterator[Step]:
    reason = _why_deploy(wanted, observed, steps)
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


def _why_deploy(wanted: WantedGateway, observed: ObservedGateway, steps: list[Step]) -> str:
    if any(step.structural for step in steps):
        return "changes are served only after a deployment"
    if observed.deployment is None:
        return "the stage serves no deployment"
    if observed.deployment.status == "FAILED":
        return "the stage's deployment FAILED"
    if marks.deployed_structure(observed.deployment.description) != marks.structure_of(wanted):
        return "the stage serves an older or foreign deployment"
    return ""


def _other_stages(wanted: WantedGateway, observed: ObservedGateway, uuid: str) -> Iterator[str]:
    for stage in observed.stages:
        if stage.stage_name == wanted.stage.stage_name:
            continue
        mark = marks.read_tags(stage.tags)
        whose = "an earlier stage of this gateway" if mark and mark.uuid == uuid else "not ours"
        yield f"stage {stage.stage_name!r} is {whose} and is left alone"


def serving_stage(wanted: WantedGateway, observed: ObservedGateway) -> Stage | None:
    """The observed stage that carries the wanted name."""
    return next((item for item in observed.stages if item.stage_name == wanted.stage.stage_name), None)
