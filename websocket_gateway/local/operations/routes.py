"""Routes and route responses."""

from __future__ import annotations

import re

from websocket_gateway.local.errors import BadRequestError, ConflictError, NotFoundError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations.deployments import auto_deploy
from websocket_gateway.local.operations.shared import check_quota, page
from websocket_gateway.local.store import ApiRecord, Store, find_in, new_id

MAX_ROUTES = 300
RESERVED_KEYS = ("$connect", "$disconnect", "$default")
_PARAMETER = re.compile(r"route\.request\.(querystring|header|multivaluequerystring|multivalueheader)\.\S+")


def create_route(store: Store, located: Wire, body: Wire) -> Wire:
    """CreateRoute."""
    record = store.find_api(located["ApiId"])
    check_quota(len(record.routes), MAX_ROUTES, "Routes")
    route = {"apiKeyRequired": False, "authorizationType": "NONE", **body, "routeId": new_id(7)}
    _check(record, route)
    record.routes[route["routeId"]] = route
    auto_deploy(store, record)
    return route


def get_route(store: Store, located: Wire, body: Wire) -> Wire:
    """GetRoute."""
    return _find(store.find_api(located["ApiId"]), located)


def get_routes(store: Store, located: Wire, body: Wire) -> Wire:
    """GetRoutes."""
    return page(store, located, store.find_api(located["ApiId"]).routes.values())


def update_route(store: Store, located: Wire, body: Wire) -> Wire:
    """UpdateRoute: only the given fields change. Request parameters are added to the present ones."""
    record = store.find_api(located["ApiId"])
    route = _find(record, located)
    changed = {**route, **body}
    if "requestParameters" in body:
        changed["requestParameters"] = {**route.get("requestParameters", {}), **body["requestParameters"]}
    if changed.get("routeResponseSelectionExpression") == "":
        del changed["routeResponseSelectionExpression"]
    _check(record, changed)
    route.clear()
    route.update(changed)
    auto_deploy(store, record)
    return route


def delete_route(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteRoute: its responses are deleted as well."""
    record = store.find_api(located["ApiId"])
    route_id = _find(record, located)["routeId"]
    del record.routes[route_id]
    record.route_responses.pop(route_id, None)
    auto_deploy(store, record)
    return {}


def delete_route_request_parameter(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteRouteRequestParameter."""
    record = store.find_api(located["ApiId"])
    parameters = _find(record, located).get("requestParameters", {})
    if located["RequestParameterKey"] not in parameters:
        raise NotFoundError("Invalid parameter key specified", resourceType="RequestParameter")
    del parameters[located["RequestParameterKey"]]
    auto_deploy(store, record)
    return {}


def create_route_response(store: Store, located: Wire, body: Wire) -> Wire:
    """CreateRouteResponse: the only key is `$default`."""
    record = store.find_api(located["ApiId"])
    route_id = _find(record, located)["routeId"]
    _check_response(body)
    responses = record.route_responses.setdefault(route_id, {})
    if responses:
        raise ConflictError(
            f"Route response with key {body['routeResponseKey']} already exists for this route"
        )
    response = {**body, "routeResponseId": new_id(7)}
    responses[response["routeResponseId"]] = response
    auto_deploy(store, record)
    return response


def get_route_response(store: Store, located: Wire, body: Wire) -> Wire:
    """GetRouteResponse."""
    return _find_response(store.find_api(located["ApiId"]), located)


def get_route_responses(store: Store, located: Wire, body: Wire) -> Wire:
    """GetRouteResponses."""
    record = store.find_api(located["ApiId"])
    route_id = _find(record, located)["routeId"]
    return page(store, located, record.route_responses.get(route_id, {}).values())


def update_route_response(store: Store, located: Wire, body: Wire) -> Wire:
    """UpdateRouteResponse."""
    record = store.find_api(located["ApiId"])
    response = _find_response(record, located)
    _check_response({**response, **body})
    response.update(body)
    auto_deploy(store, record)
    return response


def delete_route_response(store: Store, located: Wire, body: Wire) -> Wire:
    """DeleteRouteResponse: the route becomes one-way again."""
    record = store.find_api(located["ApiId"])
    response = _find_response(record, located)
    del record.route_responses[located["RouteId"]][response["routeResponseId"]]
    auto_deploy(store, record)
    return {}


def _find(record: ApiRecord, located: Wire) -> Wire:
    return find_in(record.routes, located["RouteId"], "Route")


def _find_response(record: ApiRecord, located: Wire) -> Wire:
    route_id = _find(record, located)["routeId"]
    return find_in(record.route_responses.get(route_id, {}), located["RouteResponseId"], "RouteResponse")


def _check(record: ApiRecord, route: Wire) -> None:
    key = route["routeKey"]
    if not key.strip() or (key.startswith("$") and key not in RESERVED_KEYS):
        raise BadRequestError(
            f"Invalid route key {key!r}: only $connect, $disconnect and $default may start with $"
        )
    for other in record.routes.values():
        if other["routeKey"] == key and other["routeId"] != route["routeId"]:
            raise ConflictError(f"Route with key {key} already exists for this API")
    if route.get("routeResponseSelectionExpression", "$default") != "$default":
        raise BadRequestError("routeResponseSelectionExpression must be $default")
    for name in route.get("requestParameters", {}):
        if not _PARAMETER.fullmatch(name):
            raise BadRequestError(f"Invalid request parameter key {name!r}")
    _check_authorization(route)
    _check_target(record, route)


def _check_authorization(route: Wire) -> None:
    kind = route["authorizationType"]
    if route.get("authorizationScopes") or kind == "JWT":
        raise BadRequestError("authorizationType JWT is not supported for APIs of protocol type WEBSOCKET")
    if kind != "NONE" and route["routeKey"] != "$connect":
        raise BadRequestError("Authorization can be configured for the $connect route only")
    if kind == "CUSTOM":
        raise BadRequestError("The local gateway has no Lambda authorizers")


def _check_target(record: ApiRecord, route: Wire) -> None:
    target = route.get("target")
    if target is None:
        return
    prefix, _, integration_id = target.partition("/")
    if prefix != "integrations" or not integration_id:
        raise BadRequestError(f"Invalid target {target!r}: must be integrations/<integrationId>")
    if integration_id not in record.integrations:
        raise NotFoundError(
            f"Unable to find Integration with id {integration_id}", resourceType="Integration"
        )


def _check_response(response: Wire) -> None:
    if response["routeResponseKey"] != "$default":
        raise BadRequestError("Invalid route response key: only $default is supported")


OPERATIONS = {
    "CreateRoute": create_route,
    "GetRoute": get_route,
    "GetRoutes": get_routes,
    "UpdateRoute": update_route,
    "DeleteRoute": delete_route,
    "DeleteRouteRequestParameter": delete_route_request_parameter,
    "CreateRouteResponse": create_route_response,
    "GetRouteResponse": get_route_response,
    "GetRouteResponses": get_route_responses,
    "UpdateRouteResponse": update_route_response,
    "DeleteRouteResponse": delete_route_response,
}
