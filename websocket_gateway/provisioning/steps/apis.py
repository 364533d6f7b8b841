"""Steps on the API, its integrations, routes and route responses."""

from __future__ import annotations

from dataclasses import replace

from websocket_gateway.exceptions import PlanOutdatedError
from websocket_gateway.origin_secret import installation_fingerprint
from websocket_gateway.provisioning.plan import Action, Kind, Step
from websocket_gateway.provisioning.planning.differences import (
    changes_more_than_tags,
    changes_tags,
    removed_tags,
)
from websocket_gateway.provisioning.steps.context import Context, Handler, on
from websocket_gateway.provisioning.steps.domains import naming_domains
from websocket_gateway.resources import Api, Integration, Route, RouteResponse


def create_api(context: Context, step: Step[Api]) -> None:
    """Create the API, and keep its id and address."""
    api = context.apis.create_api(step.resource)
    context.save(
        api_id=api.api_id,
        api_endpoint=api.api_endpoint,
        deployment_id="",
        deployed_stage="",
        api_created=False,
        installation=installation_fingerprint(),
    )


def update_api(context: Context, step: Step[Api]) -> None:
    """Set the API's attributes, or its tags, or both."""
    if step.values.get("disable_execute_api_endpoint"):
        context.save(default_endpoint_disabled=True)  # callbacks go to the domain before it is closed
    if changes_more_than_tags(step):
        context.apis.update_api(context.api_id, step.resource)
    if changes_tags(step):
        context.apis.tag_api(context.api_id, step.resource.tags)
    if unwanted := removed_tags(step):
        context.apis.untag_api(context.api_id, unwanted)


def delete_api(context: Context, step: Step[Api]) -> None:
    """Delete the API with everything in it."""
    with naming_domains(context, step.resource.api_id):
        context.apis.delete_api(step.resource.api_id)
    if step.resource.api_id == context.api_id:
        context.save(api_id="", api_endpoint="", deployment_id="", api_created=False)


def create_integration(context: Context, step: Step[Integration]) -> None:
    """Create an integration, and remember it for the route that will target it."""
    context.integrations[step.name] = context.apis.create_integration(context.api_id, step.resource)


def update_integration(context: Context, step: Step[Integration]) -> None:
    """Set every attribute of the integration."""
    context.apis.update_integration(context.api_id, step.resource, stale=step.present.request_parameters)


def create_route(context: Context, step: Step[Route]) -> None:
    """Create a route, and remember it for its response."""
    context.routes[step.name] = context.apis.create_route(context.api_id, _targeted(context, step.resource))


def update_route(context: Context, step: Step[Route]) -> None:
    """Set every attribute of the route, and remove the request parameters that it asks for."""
    if any(change.attribute != "request_parameters" for change in step.changes):
        context.apis.update_route(context.api_id, _targeted(context, step.resource))
    for name in step.present.request_parameters:
        context.apis.delete_route_parameter(context.api_id, step.resource.route_id, name)


def delete_route(context: Context, step: Step[Route]) -> None:
    """Delete a route that is not wanted."""
    context.apis.delete_route(context.api_id, step.resource.route_id)


def delete_integration(context: Context, step: Step[Integration]) -> None:
    """Delete an integration that serves no route."""
    context.apis.delete_integration(context.api_id, step.resource.integration_id)


def create_route_response(context: Context, step: Step[RouteResponse]) -> None:
    """Make a route two-way."""
    context.apis.create_route_response(context.api_id, _route_id(context, step.name), step.resource)


def delete_route_response(context: Context, step: Step[RouteResponse]) -> None:
    """Make a route one-way."""
    context.apis.delete_route_response(
        context.api_id, _route_id(context, step.name), step.resource.route_response_id
    )


def _targeted(context: Context, route: Route) -> Route:
    """A planned route has no integration id where its integration is made in this run."""
    return replace(route, integration_id=route.integration_id or context.integrations[route.route_key])


def _route_id(context: Context, route_key: str) -> str:
    if route_key not in context.routes:
        raise PlanOutdatedError(f"Route {route_key!r} vanished while the plan was applied.")
    return context.routes[route_key]


HANDLERS: dict[tuple[Action, Kind], Handler] = {
    (Action.DELETE, Kind.API): on(Api, delete_api),
    (Action.CREATE, Kind.API): on(Api, create_api),
    (Action.UPDATE, Kind.API): on(Api, update_api),
    (Action.CREATE, Kind.INTEGRATION): on(Integration, create_integration),
    (Action.UPDATE, Kind.INTEGRATION): on(Integration, update_integration),
    (Action.DELETE, Kind.INTEGRATION): on(Integration, delete_integration),
    (Action.DELETE, Kind.ROUTE): on(Route, delete_route),
    (Action.CREATE, Kind.ROUTE): on(Route, create_route),
    (Action.UPDATE, Kind.ROUTE): on(Route, update_route),
    (Action.CREATE, Kind.ROUTE_RESPONSE): on(RouteResponse, create_route_response),
    (Action.DELETE, Kind.ROUTE_RESPONSE): on(RouteResponse, delete_route_response),
}
