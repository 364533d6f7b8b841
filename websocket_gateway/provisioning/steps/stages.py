"""Steps on the stage, and the deployment that it serves."""

from __future__ import annotations

import time

from websocket_gateway.connections.sessions import count_open_by_stage
from websocket_gateway.exceptions import DeploymentFailedError, PlanOutdatedError
from websocket_gateway.provisioning.plan import Action, Kind, Step, count_sockets
from websocket_gateway.provisioning.planning.differences import (
    changes_more_than_tags,
    changes_tags,
    removed_tags,
)
from websocket_gateway.provisioning.steps.context import Context, Handler, on
from websocket_gateway.provisioning.steps.domains import naming_domains
from websocket_gateway.resources import Deployment, Stage

DEPLOYMENT_TIMEOUT_SECONDS = 120.0
_DEPLOYMENT_POLL_SECONDS = (0.2, 0.4, 0.8)
"""Pauses between calls; the last one repeats."""
_UNSEEN_SECONDS = 10.0
"""How long a new deployment may be missing: what AWS reads may lag behind what it wrote."""


def create_stage(context: Context, step: Step[Stage]) -> None:
    """Create a stage that serves nothing yet."""
    context.apis.create_stage(context.api_id, step.resource)


def update_stage(context: Context, step: Step[Stage]) -> None:
    """Set the stage's settings, or its tags, or both."""
    if changes_more_than_tags(step):
        variables = step.resource.stage_variables
        stale = () if variables is None else (step.present.stage_variables or {}).keys() - variables.keys()
        context.apis.update_stage(context.api_id, step.resource, stale=stale)
    if "access_log_arn" in step.values and not step.resource.access_log_arn:
        context.apis.delete_access_log(context.api_id, step.resource.stage_name)
    if changes_tags(step):
        context.apis.tag_stage(context.api_id, step.resource.stage_name, step.resource.tags)
    if unwanted := removed_tags(step):
        context.apis.untag_stage(context.api_id, step.resource.stage_name, unwanted)


def delete_stage(context: Context, step: Step[Stage]) -> None:
    """Delete a stage that is not wanted, unless a socket was opened on it meanwhile."""
    if held := count_open_by_stage(context.gateway).get(step.name, 0):
        raise PlanOutdatedError(f"Stage {step.name!r} has {count_sockets(held)} now, so it is kept.")
    with naming_domains(context, context.api_id, step.name):
        context.apis.delete_stage(context.api_id, step.name)


def delete_route_settings(context: Context, step: Step[Stage]) -> None:
    """Apply the stage's own settings to a route again."""
    context.apis.delete_route_settings(context.api_id, step.resource.stage_name, step.name)


def create_deployment(context: Context, step: Step[Deployment]) -> None:
    """Deploy, and wait until the stage serves it."""
    deployment = context.apis.create_deployment(
        context.api_id, stage_name=step.name, description=step.resource.description
    )
    _wait_until_deployed(context, deployment)


def wait_for_deployment(context: Context, step: Step[Deployment]) -> None:
    """Wait for a deployment that an earlier run began."""
    _wait_until_deployed(context, step.resource)


def serve_deployment(context: Context, step: Step[Deployment]) -> None:
    """Let an earlier stage serve the deployment of the wanted one."""
    context.apis.serve_deployment(context.api_id, step.name, context.gateway.deployment_id)


def _wait_until_deployed(context: Context, deployment: Deployment) -> None:
    """There is no waiter for deployments in boto3, so this asks until the status is final."""
    began = time.monotonic()

    def look() -> Deployment | None:
        found = context.apis.find_deployment(context.api_id, deployment.deployment_id)
        return deployment if found is None and time.monotonic() - began < _UNSEEN_SECONDS else found

    found = context.poll(
        deployment,
        look,
        pending=lambda seen: seen.status == "PENDING",
        goal=f"deployment {deployment.deployment_id} is DEPLOYED",
        pauses=_DEPLOYMENT_POLL_SECONDS,
        seconds=DEPLOYMENT_TIMEOUT_SECONDS,
    )
    if found is None:
        raise PlanOutdatedError(f"Deployment {deployment.deployment_id!r} vanished. Run it again.")
    if found.status == "PENDING":
        raise DeploymentFailedError(
            f"Deployment {deployment.deployment_id!r} is still PENDING after "
            f"{DEPLOYMENT_TIMEOUT_SECONDS:.0f} seconds. Run the command again to go on waiting."
        )
    if found.status != "DEPLOYED":
        why = found.status_message.rstrip(".") or "no reason was given"
        raise DeploymentFailedError(
            f"AWS ended deployment {found.deployment_id!r} as {found.status}: {why}. "
            "What was deployed before keeps running."
        )
    # From now on events say their stage: what was deployed maps it.
    stage = context.gateway.live_stage
    context.save(deployment_id=found.deployment_id, maps_stage=True, deployed_stage=stage)


HANDLERS: dict[tuple[Action, Kind], Handler] = {
    (Action.CREATE, Kind.STAGE): on(Stage, create_stage),
    (Action.UPDATE, Kind.STAGE): on(Stage, update_stage),
    (Action.DELETE, Kind.STAGE): on(Stage, delete_stage),
    (Action.DELETE, Kind.ROUTE_SETTINGS): on(Stage, delete_route_settings),
    (Action.CREATE, Kind.DEPLOYMENT): on(Deployment, create_deployment),
    (Action.UPDATE, Kind.DEPLOYMENT): on(Deployment, serve_deployment),
    (Action.WAIT, Kind.DEPLOYMENT): on(Deployment, wait_for_deployment),
}
