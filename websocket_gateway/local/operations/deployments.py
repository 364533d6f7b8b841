"""Deployments: snapshots of an API, taken when the deployment is created."""

from __future__ import annotations

import copy

from websocket_gateway.local.errors import BadRequestError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations.shared import page
from websocket_gateway.local.store import ApiRecord, Store, find_in, new_id


def create_deployment(store: Store, located: Wire, body: Wire) -> Wire:
    """CreateDeployment: with a stage name, that stage serves it as soon as it is DEPLOYED."""
    record = store.find_api(located["ApiId"])
    stage_name = body.get("stageName")
    if stage_name is not None:
        find_in(record.stages, stage_name, "Stage")
    if not record.routes:
        raise BadRequestError("At least one route is required before deploying the Api.")
    return deploy(store, record, stage_name=stage_name, description=body.get("description"))


def deploy(
    store: Store, record: ApiRecord, *, stage_name: str | None, description: str | None, auto: bool = False
) -> Wire:
    """Create a deployment of the API in its present state."""
    deployment: Wire = {
        "autoDeployed": auto,
        "createdDate": store.now(),
        "deploymentId": new_id(6),
        "deploymentStatus": "PENDING",
    }
    if description is not None:
        deployment["description"] = description
    record.deployments[deployment["deploymentId"]] = deployment
    record.snapshots[deployment["deploymentId"]] = {
        **_snapshot(record),
        "readyAt": store.clock() + store.deployment_seconds,
        "fails": store.deployment_fails,
        "stageName": stage_name,
    }
    record.unsettled.append(deployment["deploymentId"])
    store.settle(record)
    return deployment


def _snapshot(record: ApiRecord) -> Wire:
    return {
        "routeSelectionExpression": record.api["routeSelectionExpression"],
        "disableExecuteApiEndpoint": record.api["disableExecuteApiEndpoint"],
        "routes": {
            route["routeKey"]: {
                **copy.deepcopy(route),
                "twoWay": bool(record.route_responses.get(route["routeId"])),
            }
            for route in record.routes.values()
        },
        "integrations": copy.deepcopy(record.integrations),
    }


def auto_deploy(store: Store, record: ApiRecord) -> None:
    """Deploy the API to the stages with `autoDeploy`, after a change of its routes or integrations."""
    for stage in record.stages.values():
        if stage.get("autoDeploy") and record.routes:
            deploy(
                store,
                record,
                stage_name=stage["stageName"],
                description="Automatic deployment triggered by changes to the Api configuration",
                auto=True,
            )


def get_deployment(store: Store, located: Wire, body: Wire) -> Wire:
    """GetDeployment."""
    return _find(store.find_api(located["ApiId"]), located)


def get_deployments(store: Store, located: Wire, body: Wire) -> Wire:
    """GetDeployments: the newest first."""
    deployments = store.find_api(located["ApiId"]).deployments
    return page(store, located, reversed(deployments.values()))


def update_deployment(store: Store, located: Wire, body: Wire) -> Wire:
    """UpdateDeployment: only the description can change."""
    deployment = _find(store.find_api(located["ApiId"]), located)
    deployment.update(body)
    return deployment


def delete_deployment(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteDeployment: refused while a stage serves it."""
    record = store.find_api(located["ApiId"])
    deployment_id = _find(record, located)["deploymentId"]
    if any(stage.get("deploymentId") == deployment_id for stage in record.stages.values()):
        raise BadRequestError("Active stages pointing to this deployment must be moved or deleted")
    del record.deployments[deployment_id]
    del record.snapshots[deployment_id]
    return {}


def _find(record: ApiRecord, located: Wire) -> Wire:
    return find_in(record.deployments, located["DeploymentId"], "Deployment")


OPERATIONS = {
    "CreateDeployment": create_deployment,
    "GetDeployment": get_deployment,
    "GetDeployments": get_deployments,
    "UpdateDeployment": update_deployment,
    "DeleteDeployment": delete_deployment,
}
