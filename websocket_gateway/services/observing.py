"""What AWS reports of a gateway, read completely; and whose it is."""

from __future__ import annotations

from websocket_gateway.aws.apis import Apis
from websocket_gateway.aws.identity import caller_account
from websocket_gateway.exceptions import ForeignGatewayError, GatewayMissingError
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import accepted_installation_fingerprints
from websocket_gateway.planning.marks import read_tags
from websocket_gateway.planning.routes import TWO_WAY
from websocket_gateway.resources import Api, ObservedGateway


def observe_gateway(gateway: ApiGateway, apis: Apis, *, recreate: bool = False) -> ObservedGateway:
    """Everything AWS reports of `gateway`; empty while it does not exist.

    Raises `GatewayMissingError` if the row names an API that AWS does not know, unless `recreate`;
    `ForeignGatewayError` if the API belongs to another installation.
    """
    api = _find_api(gateway, apis, recreate=recreate)
    if api is None:
        return ObservedGateway()
    routes = apis.list_routes(api.api_id)
    two_way = {"$default"} if gateway.two_way else set()
    two_way |= set(gateway.additional_routes.filter(two_way=True).values_list("route_key", flat=True))
    asked = [
        route
        for route in routes
        if route.route_key in two_way or route.route_response_selection_expression == TWO_WAY
    ]
    stages = apis.list_stages(api.api_id)
    serving = next((stage for stage in stages if stage.stage_name == gateway.stage_name), None)
    return ObservedGateway(
        api=api,
        integrations=apis.list_integrations(api.api_id),
        routes=routes,
        route_responses={
            route.route_id: apis.list_route_responses(api.api_id, route.route_id) for route in asked
        },
        stages=stages,
        deployment=(
            apis.find_deployment(api.api_id, serving.deployment_id)
            if serving is not None and serving.deployment_id
            else None
        ),
    )


def _find_api(gateway: ApiGateway, apis: Apis, *, recreate: bool) -> Api | None:
    """By the stored id; else by the mark, because a run that was cut off could not store the id."""
    if gateway.api_id:
        api = apis.find_api(gateway.api_id)
        if api is not None:
            _check_owner(gateway, api)
            return api
        if not recreate:
            raise GatewayMissingError(
                f"AWS does not know API {gateway.api_id!r} of gateway {gateway.api_name!r} "
                f"({caller_account(apis.region)}, region {apis.region}). If account and region are right and "
                f"it was deleted, create it anew: manage.py create_gateway {gateway.api_name} --recreate"
            )
    marked = [
        api for api in apis.list_apis() if (mark := read_tags(api.tags)) and mark.uuid == str(gateway.uuid)
    ]
    for api in marked:
        _check_owner(gateway, api)
    return min(marked, key=lambda api: api.created_on, default=None)


def _check_owner(gateway: ApiGateway, api: Api) -> None:
    mark = read_tags(api.tags)
    if mark is None:
        return  # Someone took the tags off; the row still knows the id, and the plan puts them back.
    if mark.uuid == str(gateway.uuid) and mark.installation in accepted_installation_fingerprints():
        return
    raise ForeignGatewayError(
        f"API {api.api_id!r} belongs to another installation (another SECRET_KEY, or a copied database), so "
        f"gateway {gateway.api_name!r} leaves it alone. Give this installation a database of its own, or, if "
        "SECRET_KEY was rotated, add the old one to SECRET_KEY_FALLBACKS."
    )
