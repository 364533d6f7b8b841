"""Tags of APIs, stages and domain names, found by ARN."""

from __future__ import annotations

import re

from websocket_gateway.local.errors import BadRequestError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations.shared import check_tags
from websocket_gateway.local.store import Store, find_in

_ARN = re.compile(
    r"arn:aws[a-z-]*:apigateway:[a-z0-9-]*::/"
    r"(?:apis/(?P<api>[^/]+)(?:/stages/(?P<stage>[^/]+))?|domainnames/(?P<domain>[^/]+))"
)


def tag_resource(store: Store, located: Wire, body: Wire) -> Wire:
    """TagResource: adds to the tags present."""
    resource = _find(store, located["ResourceArn"])
    resource["tags"] = check_tags({**resource["tags"], **body.get("tags", {})})
    return {}


def untag_resource(store: Store, located: Wire, body: Wire) -> Wire:
    """UntagResource: unknown keys do not matter."""
    resource = _find(store, located["ResourceArn"])
    resource["tags"] = {k: v for k, v in resource["tags"].items() if k not in located["TagKeys"]}
    return {}


def get_tags(store: Store, located: Wire, body: Wire) -> Wire:
    """GetTags."""
    return {"tags": _find(store, located["ResourceArn"])["tags"]}


def _find(store: Store, arn: str) -> Wire:
    match = _ARN.fullmatch(arn)
    if match is None:
        raise BadRequestError(f"Invalid resource ARN {arn!r}")
    if match["domain"]:
        return store.find_domain(match["domain"]).domain
    record = store.find_api(match["api"])
    return find_in(record.stages, match["stage"], "Stage") if match["stage"] else record.api


OPERATIONS = {"TagResource": tag_resource, "UntagResource": untag_resource, "GetTags": get_tags}
