"""APIs."""

from __future__ import annotations

from websocket_gateway.local.errors import BadRequestError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations.shared import check_tags, page, refuse_fields
from websocket_gateway.local.routing import check_expression
from websocket_gateway.local.store import ApiRecord, Store, new_id

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
    """Whether any custom domain leads to the API (or to that stage of it)."""
    return any(
        mapping["apiId"] == api_id and stage in (None, mapping["stage"])
        for domain in store.domains.values()
        for mapping in domain.mappings.values()
    )


def _check_fields(body: Wire) -> None:
    refuse_fields(body, _NOT_FOR_WEBSOCKET, "APIs")
    if body.get("routeSelectionExpression"):
        check_expression(body["routeSelectionExpression"])


OPERATIONS = {
    "CreateApi": create_api,
    "GetApi": get_api,
    "GetApis": get_apis,
    "UpdateApi": update_api,
    "DeleteApi": delete_api,
}
