"""What is in AWS and nobody here wants: the steps that would remove it, taken only when asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from websocket_gateway.planning import marks
from websocket_gateway.planning.plans import Action, Kind, Step
from websocket_gateway.planning.routes import choose_integrations, routes_by_key
from websocket_gateway.resources import Integration, ObservedGateway, Route, WantedGateway


def unwanted_routes(wanted: WantedGateway, observed: ObservedGateway, *, uuid: str) -> Iterator[Step]:
    """A step for every route of a key that nothing wants, and for every second route of a key."""
    keys = {want.route_key for want in wanted.routes}
    kept = {route.route_id for key, route in routes_by_key(observed).items() if key in keys}
    integrations = {item.integration_id: item for item in observed.integrations}
    for route in observed.routes:
        if route.route_id in kept:
            continue
        yield Step(
            action=Action.DELETE,
            kind=Kind.ROUTE,
            name=route.route_key,
            reason=_why_unwanted(route, keys, integrations.get(route.integration_id), uuid),
            resource=route,
        )


def _why_unwanted(route: Route, keys: set[str], integration: Integration | None, uuid: str) -> str:
    if route.route_key in keys:
        return "a second route of this key"
    if integration is not None and marks.marked_route_key(integration, uuid) == route.route_key:
        return "was made for a row or view that is gone"
    return "no row and no view wants it"


def unwanted_integrations(
    wanted: WantedGateway, observed: ObservedGateway, *, uuid: str, surviving: Collection[str]
) -> Iterator[Step]:
    """A step for every integration that serves no route; `surviving` are ids of routes that are left."""
    used = {route.integration_id for route in observed.routes if route.route_id in surviving}
    used |= {item.integration_id for item in choose_integrations(wanted, observed, uuid=uuid).values()}
    for item in observed.integrations:
        if item.integration_id not in used:
            yield Step(
                action=Action.DELETE,
                kind=Kind.INTEGRATION,
                name=item.integration_id,
                reason=f"serves no route: {item.integration_method or 'no method'} {item.integration_uri}",
                resource=item,
            )


def unwanted_stages(wanted: WantedGateway, observed: ObservedGateway, *, uuid: str) -> Iterator[Step]:
    """A step for every stage that is not the wanted one."""
    for stage in observed.stages:
        if stage.stage_name == wanted.stage.stage_name:
            continue
        mark = marks.read_tags(stage.tags)
        ours = mark is not None and mark.uuid == uuid
        yield Step(
            action=Action.DELETE,
            kind=Kind.STAGE,
            name=stage.stage_name,
            reason="an earlier stage of this gateway" if ours else "not ours",
            resource=stage,
        )


def twins(observed: ObservedGateway) -> Iterator[Step]:
    """A remark on every further API with this gateway's mark; nobody deletes a whole API in passing."""
    for api in observed.twins:
        yield Step(
            action=Action.KEEP,
            kind=Kind.API,
            name=api.api_id,
            reason="carries this gateway's mark too; delete it in the AWS console once no client uses it",
            resource=api,
        )
