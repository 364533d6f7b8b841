"""Wanted routes x observed routes -> steps: integrations first, then routes, then route responses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from websocket_gateway.provisioning.plan import Action, AnyStep, Kind, PlanError, Step
from websocket_gateway.provisioning.planning import marks
from websocket_gateway.provisioning.planning.differences import update_step
from websocket_gateway.resources import (
    Integration,
    ObservedGateway,
    Route,
    RouteResponse,
    WantedGateway,
    WantedRoute,
)

TWO_WAY = "$default"
"""The only route response selection expression, and the only response key, that AWS admits.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-response.html
"""

MAX_ROUTES = 300
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""
_PREDEFINED = frozenset({"$connect", "$disconnect", "$default"})


def plan_routes(wanted: WantedGateway, observed: ObservedGateway, *, uuid: str) -> list[AnyStep]:
    """The steps for every wanted route, grouped in the order in which AWS accepts them.

    Raises `PlanError` for routes that AWS would refuse.
    """
    _check(wanted)
    routes = routes_by_key(observed)
    chosen = choose_integrations(wanted, observed, uuid=uuid)
    steps: list[AnyStep] = []
    for want in wanted.routes:
        steps.extend(_plan_integration(want, chosen.get(want.route_key)))
        steps.extend(_plan_route(want, routes.get(want.route_key), chosen.get(want.route_key)))
        steps.extend(_plan_responses(want, routes.get(want.route_key), observed))
    order = list(Kind)
    return sorted(steps, key=lambda step: order.index(step.kind))


def _check(wanted: WantedGateway) -> None:
    keys = Counter(route.route_key for route in wanted.routes)
    for key, count in keys.items():
        if count > 1:
            raise PlanError(f"route {key!r} is wanted {count} times; keep one of them.")
        if not key or (key.startswith("$") and key not in _PREDEFINED):
            raise PlanError(f"route key {key!r} is not allowed: keys that begin with $ belong to AWS.")
    if len(keys) > MAX_ROUTES:
        raise PlanError(f"{len(keys)} routes are wanted; AWS allows {MAX_ROUTES} for one API.")


def routes_by_key(observed: ObservedGateway) -> dict[str, Route]:
    """The observed routes by key; of several with one key the first."""
    found: dict[str, Route] = {}
    for route in observed.routes:
        found.setdefault(route.route_key, route)
    return found


def choose_integrations(
    wanted: WantedGateway, observed: ObservedGateway, *, uuid: str
) -> dict[str, Integration]:
    """For each route key, the existing integration to use.

    That is the one its route targets already, unless another of our routes has it or a foreign route
    shares it; else the one that an earlier run made for this key and could not use.
    """
    by_id = {item.integration_id: item for item in observed.integrations}
    targets = {key: route.integration_id for key, route in routes_by_key(observed).items()}
    keys = {want.route_key for want in wanted.routes}
    taken = {route.integration_id for route in observed.routes if route.route_key not in keys}
    unused = {
        key: item
        for item in reversed(observed.integrations)
        if item.integration_id not in {*targets.values(), *taken}
        and (key := marks.marked_route_key(item, uuid)) is not None
    }
    chosen = {}
    for want in wanted.routes:
        target = targets.get(want.route_key, "")
        integration = None if target in taken else by_id.get(target)
        if integration := integration or unused.get(want.route_key):
            chosen[want.route_key] = integration
            taken.add(integration.integration_id)
    return chosen


def _plan_integration(want: WantedRoute, existing: Integration | None) -> Iterator[Step[Integration]]:
    if existing is None:
        yield Step(
            action=Action.CREATE,
            kind=Kind.INTEGRATION,
            name=want.route_key,
            reason=_missing(want),
            resource=want.integration,
        )
        return
    resource = replace(want.integration, integration_id=existing.integration_id)
    yield from update_step(Kind.INTEGRATION, want.route_key, resource, existing)


def _missing(want: WantedRoute) -> str:
    return f"missing in AWS; {want.source} wants it" if want.source else "missing in AWS"


def _plan_route(
    want: WantedRoute, existing: Route | None, integration: Integration | None
) -> Iterator[Step[Route]]:
    resource = Route(
        route_key=want.route_key,
        integration_id=integration.integration_id if integration else "",
        route_response_selection_expression=TWO_WAY if want.two_way else "",
        route_id=existing.route_id if existing else "",
    )
    if existing is None:
        yield Step(
            action=Action.CREATE,
            kind=Kind.ROUTE,
            name=want.route_key,
            reason=_missing(want),
            resource=resource,
        )
        return
    yield from update_step(Kind.ROUTE, want.route_key, resource, existing)


def _plan_responses(
    want: WantedRoute, route: Route | None, observed: ObservedGateway
) -> Iterator[Step[RouteResponse]]:
    existing = observed.route_responses.get(route.route_id, ()) if route else ()
    if want.two_way and not any(item.route_response_key == TWO_WAY for item in existing):
        yield Step(
            action=Action.CREATE,
            kind=Kind.ROUTE_RESPONSE,
            name=want.route_key,
            reason="the route is two-way",
            resource=RouteResponse(),
        )
    if not want.two_way:
        for item in existing:
            yield Step(
                action=Action.DELETE,
                kind=Kind.ROUTE_RESPONSE,
                name=want.route_key,
                reason="the route is one-way",
                resource=item,
            )
