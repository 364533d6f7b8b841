"""Wanted stage x observed stages -> steps, and the deployment that the stage has to serve."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from websocket_gateway.provisioning.plan import Action, Kind, Step
from websocket_gateway.provisioning.planning import marks
from websocket_gateway.provisioning.planning.differences import update_step
from websocket_gateway.resources import Deployment, ObservedGateway, Stage, WantedGateway


def plan_stage(
    wanted: WantedGateway, observed: ObservedGateway, *, left: Collection[str] = ()
) -> Iterator[Step]:
    """The steps that make or mend the stage; `left` are keys of foreign routes, whose settings stay too."""
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
    for key in stage.route_settings or ():
        if key not in left:
            yield Step(
                action=Action.DELETE,
                kind=Kind.ROUTE_SETTINGS,
                name=key,
                reason="the stage's own settings are to count for every route",
                resource=wanted.stage,
            )


def plan_deployment(
    wanted: WantedGateway, observed: ObservedGateway, steps: list[Step], *, owed: bool
) -> Iterator[Step]:
    """One deployment if `steps` or what the stage serves ask for it, or if an earlier run still owes it.

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


def serving_stage(wanted: WantedGateway, observed: ObservedGateway) -> Stage | None:
    """The observed stage that carries the wanted name."""
    return next((item for item in observed.stages if item.stage_name == wanted.stage.stage_name), None)
