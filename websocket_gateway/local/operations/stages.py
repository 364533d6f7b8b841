"""Stages."""

from __future__ import annotations

import re

from websocket_gateway.local.errors import BadRequestError, ConflictError, NotFoundError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations.apis import is_mapped
from websocket_gateway.local.operations.deployments import deploy
from websocket_gateway.local.operations.shared import check_quota, check_tags, merged, page, without_empty
from websocket_gateway.local.store import ApiRecord, Store, find_in

MAX_STAGES = 10
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VARIABLE = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9._~:/?#&=,-]*")
_DEFAULT_SETTINGS = {
    "dataTraceEnabled": False,
    "detailedMetricsEnabled": False,
    "loggingLevel": "OFF",
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10000.0,
}


def create_stage(store: Store, located: Wire, body: Wire) -> Wire:
    """CreateStage."""
    record = store.find_api(located["ApiId"])
    name = body["stageName"]
    if not _NAME.fullmatch(name):
        raise BadRequestError("Stage name only allows a-zA-Z0-9_- characters, at most 128")
    if name in record.stages:
        raise ConflictError(f"Stage {name} already exists for this API")
    check_quota(len(record.stages), MAX_STAGES, "Stages")
    now = store.now()
    stage = {
        "autoDeploy": False,
        "createdDate": now,
        "lastUpdatedDate": now,
        "routeSettings": {},
        **body,
        "defaultRouteSettings": {**_DEFAULT_SETTINGS, **body.get("defaultRouteSettings", {})},
        "stageVariables": without_empty(body.get("stageVariables", {}), "stageVariables"),
        "tags": check_tags(body.get("tags", {})),
    }
    _check(record, stage)
    record.stages[name] = stage
    _deploy_if_automatic(store, record, stage)
    return stage


def get_stage(store: Store, located: Wire, body: Wire) -> Wire:
    """GetStage."""
    return _find(store.find_api(located["ApiId"]), located)


def get_stages(store: Store, located: Wire, body: Wire) -> Wire:
    """GetStages."""
    return page(store, located, store.find_api(located["ApiId"]).stages.values())


def update_stage(store: Store, located: Wire, body: Wire) -> Wire:
    """UpdateStage: an empty value removes a stage variable. Settings change field by field."""
    record = store.find_api(located["ApiId"])
    stage = _find(record, located)
    if "deploymentId" in body and body.get("autoDeploy", stage["autoDeploy"]):
        raise BadRequestError("Deployment ID cannot be set when auto-deploy is enabled for the stage")
    if store.empty_stage_description == "ignored" and not body.get("description", "-"):
        body = {name: value for name, value in body.items() if name != "description"}
    changed = {**stage, **body, "lastUpdatedDate": store.now()}
    changed["stageVariables"] = merged(stage["stageVariables"], body.get("stageVariables", {}))
    changed["defaultRouteSettings"] = {
        **stage["defaultRouteSettings"],
        **body.get("defaultRouteSettings", {}),
    }
    changed["routeSettings"] = {**stage["routeSettings"], **body.get("routeSettings", {})}
    _check(record, changed)
    stage.update(changed)
    if body.get("autoDeploy"):
        _deploy_if_automatic(store, record, stage)
    return stage


def delete_stage(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteStage: refused while a custom domain maps to it."""
    record = store.find_api(located["ApiId"])
    name = _find(record, located)["stageName"]
    if is_mapped(store, located["ApiId"], name):
        raise BadRequestError(
            f"Deleting stage {name} failed. "
            "Please remove all API mappings related to the stage in your domains"
        )
    del record.stages[name]
    return {}


def delete_access_log_settings(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteAccessLogSettings."""
    _find(store.find_api(located["ApiId"]), located).pop("accessLogSettings", None)
    return {}


def delete_route_settings(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteRouteSettings."""
    settings = _find(store.find_api(located["ApiId"]), located)["routeSettings"]
    if located["RouteKey"] not in settings:
        raise NotFoundError("Invalid route settings specified", resourceType="RouteSettings")
    del settings[located["RouteKey"]]
    return {}


def _find(record: ApiRecord, located: Wire) -> Wire:
    return find_in(record.stages, located["StageName"], "Stage")


def _check(record: ApiRecord, stage: Wire) -> None:
    if "deploymentId" in stage:
        deployment = find_in(record.deployments, stage["deploymentId"], "Deployment")
        if deployment["deploymentStatus"] != "DEPLOYED":
            raise BadRequestError("The deployment is not DEPLOYED")
    for name, value in stage["stageVariables"].items():
        if not _VARIABLE.fullmatch(name) or not _VARIABLE_VALUE.fullmatch(value):
            raise BadRequestError(
                f"Invalid stage variable {name!r}: name or value holds a forbidden character"
            )
    logs = stage.get("accessLogSettings")
    if logs and "$context.requestId" not in logs.get("format", ""):
        raise BadRequestError("Access log format must include at least $context.requestId")
    if logs and not logs.get("destinationArn", "").startswith("arn:"):
        raise BadRequestError("Invalid ARN specified in the access log settings")
    _check_throttling(stage["defaultRouteSettings"], *stage["routeSettings"].values())


def _check_throttling(*settings: Wire) -> None:
    for item in settings:
        if item.get("throttlingBurstLimit", 0) < 0 or item.get("throttlingRateLimit", 0) < 0:
            raise BadRequestError("Throttling limits must not be negative")


def _deploy_if_automatic(store: Store, record: ApiRecord, stage: Wire) -> None:
    if stage["autoDeploy"] and record.routes:
        deploy(store, record, stage_name=stage["stageName"], description=None, auto=True)


OPERATIONS = {
    "CreateStage": create_stage,
    "GetStage": get_stage,
    "GetStages": get_stages,
    "UpdateStage": update_stage,
    "DeleteStage": delete_stage,
    "DeleteAccessLogSettings": delete_access_log_settings,
    "DeleteRouteSettings": delete_route_settings,
}
