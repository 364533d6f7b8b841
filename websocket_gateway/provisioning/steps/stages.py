"""Steps on the stage, and the deployment that it serves."""

from __future__ import annotations

import time
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from websocket_gateway.exceptions import DeploymentFailedError, PlanOutdatedError
from websocket_gateway.provisioning.plan import Action, Kind, Step
from websocket_gateway.provisioning.steps.tags import changes_more_than_tags, changes_tags, removed_tags
from websocket_gateway.resources import Deployment

if TYPE_CHECKING:
    from websocket_gateway.provisioning.applying import Applying

DEPLOYMENT_TIMEOUT_SECONDS = 120.0
_DEPLOYMENT_POLL_SECONDS = (0.2, 0.4, 0.8)
"""Pauses between questions; the last one repeats."""
_UNSEEN_SECONDS = 10.0
"""How long a new deployment may be missing: what AWS reads may lag behind what it wrote."""


def create_stage(run: Applying, step: Step) -> None:
    """Create a stage that serves nothing yet."""
    wanted: Any = step.resource
    run.apis.create_stage(run.api_id, wanted)


def update_stage(run: Applying, step: Step) -> None:
    """Set the stage's settings, or its tags, or both."""
    wanted: Any = step.resource
    observed: Any = step.observed
    if changes_more_than_tags(step):
        stale = observed.stage_variables.keys() - (wanted.stage_variables or {}).keys()
        stale = stale if wanted.stage_variables is not None else ()
        run.apis.update_stage(run.api_id, wanted, stale=stale)
    if changes_tags(step):
        run.apis.tag_stage(run.api_id, wanted.stage_name, wanted.tags)
    if unwanted := removed_tags(step):
        run.apis.untag_stage(run.api_id, wanted.stage_name, unwanted)


def delete_stage(run: Applying, step: Step) -> None:
    """Delete a stage that nobody wants."""
    run.apis.delete_stage(run.api_id, step.name)


def delete_route_settings(run: Applying, step: Step) -> None:
    """Let the stage's own settings count for a route again."""
    stage: Any = step.resource
    run.apis.delete_route_settings(run.api_id, stage.stage_name, step.name)


def create_deployment(run: Applying, step: Step) -> None:
    """Deploy, and wait until the stage serves it."""
    wanted: Any = step.resource
    deployment = run.apis.create_deployment(run.api_id, stage_name=step.name, description=wanted.description)
    _wait_until_deployed(run, deployment)


def wait_for_deployment(run: Applying, step: Step) -> None:
    """Wait for a deployment that an earlier run began."""
    deployment: Any = step.resource
    _wait_until_deployed(run, deployment)


def _wait_until_deployed(run: Applying, deployment: Deployment) -> None:
    """There is no waiter for deployments in boto3, so this asks until the status is final."""
    began = time.monotonic()
    pauses = chain(_DEPLOYMENT_POLL_SECONDS, repeat(_DEPLOYMENT_POLL_SECONDS[-1]))
    found: Deployment | None = deployment
    while found is not None and found.status == "PENDING":
        if time.monotonic() - began > DEPLOYMENT_TIMEOUT_SECONDS:
            raise DeploymentFailedError(
                f"Deployment {deployment.deployment_id!r} is still PENDING after "
                f"{DEPLOYMENT_TIMEOUT_SECONDS:.0f} seconds. Run the command again to go on waiting."
            )
        run.on_wait(f"waiting until deployment {deployment.deployment_id} is DEPLOYED")
        run.apis.sleep(next(pauses))
        found = run.apis.find_deployment(run.api_id, deployment.deployment_id)
        if found is None and time.monotonic() - began < _UNSEEN_SECONDS:
            found = deployment
    if found is None:
        raise PlanOutdatedError(f"Deployment {deployment.deployment_id!r} vanished. Run it again.")
    if found.status != "DEPLOYED":
        why = found.status_message.rstrip(".") or "no reason was given"
        raise DeploymentFailedError(
            f"AWS ended deployment {found.deployment_id!r} as {found.status}: {why}. "
            "What was deployed before keeps running."
        )
    run.save(deployment_id=found.deployment_id)


DEEDS = {
    (Action.CREATE, Kind.STAGE): create_stage,
    (Action.UPDATE, Kind.STAGE): update_stage,
    (Action.DELETE, Kind.STAGE): delete_stage,
    (Action.DELETE, Kind.ROUTE_SETTINGS): delete_route_settings,
    (Action.CREATE, Kind.DEPLOYMENT): create_deployment,
    (Action.WAIT, Kind.DEPLOYMENT): wait_for_deployment,
}
