"""Steps on integrations, routes and route responses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from websocket_gateway.exceptions import PlanOutdatedError
from websocket_gateway.provisioning.plan import Action, Kind, Step
from websocket_gateway.resources import Route

if TYPE_CHECKING:
    from websocket_gateway.provisioning.applying import Applying


def create_integration(run: Applying, step: Step) -> None:
    """Create an integration, and remember it for the route that will target it."""
    wanted: Any = step.resource
    run.integrations[step.name] = run.apis.create_integration(run.api_id, wanted)


def update_integration(run: Applying, step: Step) -> None:
    """Set everything the integration should say."""
    wanted: Any = step.resource
    observed: Any = step.observed
    run.apis.update_integration(run.api_id, wanted, stale=observed.request_parameters)


def create_route(run: Applying, step: Step) -> None:
    """Create a route, and remember it for its response."""
    wanted: Any = step.resource
    run.routes[step.name] = run.apis.create_route(run.api_id, _targeted(run, wanted))


def update_route(run: Applying, step: Step) -> None:
    """Set everything the route should say, and take off the request parameters that it asks for."""
    wanted: Any = step.resource
    observed: Any = step.observed
    if any(change.attribute != "request_parameters" for change in step.changes):
        run.apis.update_route(run.api_id, _targeted(run, wanted))
    for name in observed.request_parameters:
        run.apis.delete_route_parameter(run.api_id, wanted.route_id, name)


def delete_route(run: Applying, step: Step) -> None:
    """Delete a route that nobody wants."""
    unwanted: Any = step.resource
    run.apis.delete_route(run.api_id, unwanted.route_id)


def delete_integration(run: Applying, step: Step) -> None:
    """Delete an integration that serves no route."""
    unwanted: Any = step.resource
    run.apis.delete_integration(run.api_id, unwanted.integration_id)


def create_route_response(run: Applying, step: Step) -> None:
    """Make a route two-way."""
    wanted: Any = step.resource
    run.apis.create_route_response(run.api_id, _route_id(run, step.name), wanted)


def delete_route_response(run: Applying, step: Step) -> None:
    """Make a route one-way."""
    unwanted: Any = step.resource
    run.apis.delete_route_response(run.api_id, _route_id(run, step.name), unwanted.route_response_id)


def _targeted(run: Applying, route: Route) -> Route:
    """A planned route has no integration id where its integration is made in this run."""
    return replace(route, integration_id=route.integration_id or run.integrations[route.route_key])


def _route_id(run: Applying, route_key: str) -> str:
    if route_key not in run.routes:
        raise PlanOutdatedError(f"Route {route_key!r} vanished while the plan was applied.")
    return run.routes[route_key]


DEEDS = {
    (Action.CREATE, Kind.INTEGRATION): create_integration,
    (Action.UPDATE, Kind.INTEGRATION): update_integration,
    (Action.DELETE, Kind.INTEGRATION): delete_integration,
    (Action.DELETE, Kind.ROUTE): delete_route,
    (Action.CREATE, Kind.ROUTE): create_route,
    (Action.UPDATE, Kind.ROUTE): update_route,
    (Action.CREATE, Kind.ROUTE_RESPONSE): create_route_response,
    (Action.DELETE, Kind.ROUTE_RESPONSE): delete_route_response,
}
