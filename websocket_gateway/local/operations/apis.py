"""APIs, and the tags of APIs, stages and domain names."""

from __future__ import annotations

import re

from websocket_gateway.local.errors import BadRequestError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations.shared import check_tags, page, refuse_fields
from websocket_gateway.local.routing import check_expression
from websocket_gateway.local.store import ApiRecord, Store, find_in, new_id

_ARN = re.compile(
    r"arn:aws[a-z-]*:apigateway:[a-z0-9-]*::/"
    r"(?:apis/(?P<api>[^/]+)(?:/stages/(?P<stage>[^/]+))?|domainnames/(?P<domain>[^/]+))"
)
_NOT_FOR_WEBSOCKET = ("corsConfiguration", "credentialsArn", "routeKey", "target")


def create_api(store: Store, located: Wire, body: Wire) -> Wire:
    """CreateApi."""
    if body["protocolType"] != "WEBSOCKET":
        raise BadRequestError("The local gateway serves only APIs of protocol type WEBSOCKET")
    if not body.get("routeSelectionExpression"):
        raise BadRequestError("routeSelectionExpression is required for APIs of protocol type WEBSOCKET")
    _check_fields(body)
    api = {
        "apiId": new_id(),
        "apiKeySelectionExpression": "$request.header.x-api-key",
        "createdDate": store.now(),
        "disableExecuteApiEndpoint": False,
        "disableSchemaValidation": False,
        "ipAddressType": "ipv4",
        **body,
        "tags": check_tags(body.get("tags", {})),
    }
    store.apis[api["apiId"]] = ApiRecord(api=api)
    return api


def get_api(store: Store, located: Wire, body: Wire) -> Wire:
    """GetApi."""
    return store.find_api(located["ApiId"]).api


def get_apis(store: Store, located: Wire, body: Wire) -> Wire:
    """GetApis."""
    return page(store, located, (record.api for record in store.apis.values()))


def update_api(store: Store, located: Wire, body: Wire) -> Wire:
    """UpdateApi: only the given fields change."""
    record = store.find_api(located["ApiId"])
    _check_fields(body)
    if body.get("routeSelectionExpression") == "":
        raise BadRequestError("routeSelectionExpression is required for APIs of protocol type WEBSOCKET")
    record.api.update(body)
    return record.api


def delete_api(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteApi: refused while a custom domain maps to it."""
    api_id = located["ApiId"]
    store.find_api(api_id)
    if is_mapped(store, api_id):
        raise BadRequestError(
            f"Deleting API {api_id} failed. Please remove all API mappings related to the API in your domains"
        )
    del store.apis[api_id]
    return {}


def is_mapped(store: Store, api_id: str, stage: str | None = None) -> bool:
    """Return whether a custom domain maps to the API (or to that stage of it)."""
    return any(
        mapping["apiId"] == api_id and stage in (None, mapping["stage"])
        for domain in store.domains.values()
        for mapping in domain.mappings.values()
    )


def _check_fields(body: Wire) -> None:
    refuse_fields(body, _NOT_FOR_WEBSOCKET, "APIs")
    if body.get("routeSelectionExpression"):
        check_expression(body["routeSelectionExpression"])


def tag_resource(store: Store, located: Wire, body: Wire) -> Wire:
    """TagResource: the given tags are added to the present ones."""
    resource = _find_by_arn(store, located["ResourceArn"])
    resource["tags"] = check_tags({**resource["tags"], **body.get("tags", {})})
    return {}


def untag_resource(store: Store, located: Wire, body: Wire) -> Wire:
    """UntagResource: unknown keys are ignored."""
    resource = _find_by_arn(store, located["ResourceArn"])
    resource["tags"] = {k: v for k, v in resource["tags"].items() if k not in located["TagKeys"]}
    return {}


def get_tags(store: Store, located: Wire, body: Wire) -> Wire:
    """GetTags."""
    return {"tags": _find_by_arn(store, located["ResourceArn"])["tags"]}


def _find_by_arn(store: Store, arn: str) -> Wire:
    match = _ARN.fullmatch(arn)
    if match is None:
        raise BadRequestError(f"Invalid resource ARN {arn!r}")
    if match["domain"]:
        return store.find_domain(match["domain"]).domain
    record = store.find_api(match["api"])
    return find_in(record.stages, match["stage"], "Stage") if match["stage"] else record.api


OPERATIONS = {
    "CreateApi": create_api,
    "GetApi": get_api,
    "GetApis": get_apis,
    "UpdateApi": update_api,
    "DeleteApi": delete_api,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "GetTags": get_tags,
}
