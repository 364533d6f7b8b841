"""Integrations."""

from __future__ import annotations

from urllib.parse import urlsplit

from websocket_gateway.local.errors import BadRequestError, ConflictError
from websocket_gateway.local.mapping import check_request_parameters
from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations.deployments import auto_deploy
from websocket_gateway.local.operations.shared import check_quota, merged, page, refuse_fields, without_empty
from websocket_gateway.local.store import ApiRecord, Store, find_in, new_id

MAX_INTEGRATIONS = 300
MAX_TIMEOUT_MS = 29_000
_NOT_FOR_WEBSOCKET = ("integrationSubtype", "responseParameters", "tlsConfig")
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "ANY")
_HTTP_TYPES = ("HTTP", "HTTP_PROXY")


def create_integration(store: Store, located: Wire, body: Wire) -> Wire:
    """CreateIntegration."""
    record = store.find_api(located["ApiId"])
    check_quota(len(record.integrations), MAX_INTEGRATIONS, "Integrations")
    without_empty(body.get("requestParameters", {}), "requestParameters")
    integration = {
        "connectionType": "INTERNET",
        "passthroughBehavior": "WHEN_NO_MATCH",
        "payloadFormatVersion": "1.0",
        "timeoutInMillis": MAX_TIMEOUT_MS,
        **body,
    }
    if integration["integrationType"] not in ("HTTP_PROXY", "AWS_PROXY"):
        integration.setdefault("integrationResponseSelectionExpression", "${integration.response.statuscode}")
    _check(integration)
    integration["integrationId"] = new_id(7)
    record.integrations[integration["integrationId"]] = integration
    auto_deploy(store, record)
    return integration


def get_integration(store: Store, located: Wire, body: Wire) -> Wire:
    """GetIntegration."""
    return _find(store.find_api(located["ApiId"]), located)


def get_integrations(store: Store, located: Wire, body: Wire) -> Wire:
    """GetIntegrations."""
    return page(store, located, store.find_api(located["ApiId"]).integrations.values())


def update_integration(store: Store, located: Wire, body: Wire) -> Wire:
    """UpdateIntegration: an empty value removes a request parameter; parameters not given stay."""
    record = store.find_api(located["ApiId"])
    integration = _find(record, located)
    changed = {**integration, **body}
    for name in ("requestParameters", "requestTemplates"):
        if name in body:
            changed[name] = merged(integration.get(name, {}), body[name])
    _check(changed)
    integration.update(changed)
    auto_deploy(store, record)
    return integration


def delete_integration(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteIntegration: refused while a route targets it."""
    record = store.find_api(located["ApiId"])
    integration_id = _find(record, located)["integrationId"]
    for route in record.routes.values():
        if route.get("target") == f"integrations/{integration_id}":
            raise ConflictError(
                f"Cannot delete Integration '{integration_id}' because it is referenced by "
                f"Route '{route['routeId']}'."
            )
    del record.integrations[integration_id]
    auto_deploy(store, record)
    return {}


def _find(record: ApiRecord, located: Wire) -> Wire:
    return find_in(record.integrations, located["IntegrationId"], "Integration")


def _check(integration: Wire) -> None:
    refuse_fields(integration, _NOT_FOR_WEBSOCKET, "integrations")
    if integration["payloadFormatVersion"] != "1.0":
        raise BadRequestError("payloadFormatVersion must be 1.0 for APIs of protocol type WEBSOCKET")
    if integration["timeoutInMillis"] > MAX_TIMEOUT_MS:
        raise BadRequestError(f"timeoutInMillis must be between 50 and {MAX_TIMEOUT_MS} for WEBSOCKET APIs")
    if integration["connectionType"] == "VPC_LINK" and not integration.get("connectionId"):
        raise BadRequestError("connectionId is required for connectionType VPC_LINK")
    if integration["integrationType"] in _HTTP_TYPES:
        _check_http(integration)
    check_request_parameters(integration.get("requestParameters", {}))


def _check_http(integration: Wire) -> None:
    if integration.get("integrationMethod") not in _METHODS:
        raise BadRequestError("integrationMethod must be an HTTP method for this integrationType")
    uri = integration.get("integrationUri", "")
    try:
        parts = urlsplit(uri)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in uri):
        raise BadRequestError(f"Invalid HTTP endpoint specified for URI: {uri}")


OPERATIONS = {
    "CreateIntegration": create_integration,
    "GetIntegration": get_integration,
    "GetIntegrations": get_integrations,
    "UpdateIntegration": update_integration,
    "DeleteIntegration": delete_integration,
}
