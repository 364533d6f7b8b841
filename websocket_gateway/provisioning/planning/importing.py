"""Changes made in AWS, as changes of our own rows: the other direction of a plan."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from websocket_gateway.provisioning.plan import Action, Change, Kind, RecordStep, Step
from websocket_gateway.provisioning.planning import marks
from websocket_gateway.provisioning.planning.routes import TWO_WAY, routes_by_key
from websocket_gateway.resources import (
    UUID_TAG,
    Api,
    Integration,
    ObservedGateway,
    Route,
    WantedGateway,
    WantedRoute,
)

_API_FIELDS: Final = {
    "description": "api_description",
    "route_selection_expression": "route_selection_expression",
    "api_key_selection_expression": "api_key_selection_expression",
}
"""Attribute of an API -> field of the row."""
_SLUGS: Final = {"$connect": "connect", "$disconnect": "disconnect", "$default": "default"}
_REASON: Final = "imported from AWS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Importable:
    """The values of our rows that can be imported."""

    target: str
    tags: Mapping[str, str] = field(default_factory=dict)
    row_keys: Collection[str] = ()
    """Route keys that additional routes declare."""


def plan_import(wanted: WantedGateway, observed: ObservedGateway, rows: Importable) -> tuple[RecordStep, ...]:
    """Steps in our database after which AWS differs less: it wins wherever a row can hold the difference."""
    if observed.api is None:
        return ()
    changes = (
        *_api_changes(wanted, observed.api),
        *_tag_changes(observed.api, rows.tags),
        *_target_changes(observed, rows.target),
        *_two_way_changes(wanted, observed),
        *_stage_changes(wanted, observed),
    )
    steps = [
        Step(
            action=Action.UPDATE,
            kind=Kind.RECORD,
            name=wanted.api.name,
            reason=_REASON,
            changes=changes,
            resource=None,
        )
    ]
    return (*(steps if changes else ()), *_route_steps(wanted, observed, rows.row_keys))


def _api_changes(wanted: WantedGateway, api: Api) -> Iterator[Change]:
    for attribute, name in _API_FIELDS.items():
        before, after = getattr(wanted.api, attribute), getattr(api, attribute)
        if before != after:
            yield Change(attribute=name, before=before, after=after)


def _tag_changes(api: Api, tags: Mapping[str, str]) -> Iterator[Change]:
    """Changed and removed tags; one that no run has put there yet is not missing."""
    told = marks.remembers(api.tags)
    after = {key: api.tags.get(key, text) for key, text in tags.items() if key in api.tags or not told(key)}
    if after != dict(tags):
        yield Change(attribute="tags", before=dict(tags), after=after)


def _target_changes(observed: ObservedGateway, target: str) -> Iterator[Change]:
    """A new target only if all three routes moved together."""
    uris = {item.integration_id: item.integration_uri for item in observed.integrations}
    served = {key: uris.get(route.integration_id, "") for key, route in routes_by_key(observed).items()}
    bases = {
        uri.removesuffix(slug) if (uri := served.get(key, "")).endswith("/" + slug) else ""
        for key, slug in _SLUGS.items()
    }
    if len(bases) == 1 and (base := bases.pop()) and base != target:
        yield Change(attribute="target_base_endpoint", before=target, after=base)


def _two_way_changes(wanted: WantedGateway, observed: ObservedGateway) -> Iterator[Change]:
    route = routes_by_key(observed).get("$default")
    for want in wanted.routes:
        if want.route_key == "$default" and route is not None and _two_way(route) != want.two_way:
            yield Change(attribute="two_way", before=want.two_way, after=_two_way(route))


def _two_way(route: Route) -> bool:
    return route.route_response_selection_expression == TWO_WAY


def _stage_changes(wanted: WantedGateway, observed: ObservedGateway) -> Iterator[Change]:
    stage = observed.find_stage(wanted.stage.stage_name)
    if stage is None:
        return
    before, after = wanted.stage.description or "", stage.description or ""
    if before != after:
        yield Change(attribute="stage_description", before=before, after=after)


def _route_steps(
    wanted: WantedGateway, observed: ObservedGateway, row_keys: Collection[str]
) -> Iterator[RecordStep]:
    wants = {want.route_key: want for want in wanted.routes}
    for route, integration in _leading_to_urls(observed):
        if route.route_key in row_keys:
            yield from _changed_row(wants[route.route_key], route, integration)
    for route, integration in foreign_routes(wanted, observed):
        yield _new_row(route, integration)


def foreign_routes(wanted: WantedGateway, observed: ObservedGateway) -> Iterator[tuple[Route, Integration]]:
    """The routes that nothing declares and that no run of ours made: a row can be made of each.

    One of ours was made for a row or a view; it comes back with that, such as after a rollback.
    """
    keys = {want.route_key for want in wanted.routes}
    uuid = wanted.api.tags[UUID_TAG]
    for route, integration in _leading_to_urls(observed):
        if route.route_key not in keys and marks.marked_route_key(integration, uuid) != route.route_key:
            yield route, integration


def _leading_to_urls(observed: ObservedGateway) -> Iterator[tuple[Route, Integration]]:
    """A row is a URL; a route that leads elsewhere stays what it is."""
    integrations = {item.integration_id: item for item in observed.integrations}
    for route in routes_by_key(observed).values():
        integration = integrations.get(route.integration_id)
        if integration is not None and integration.integration_type.startswith("HTTP"):
            yield route, integration


def _new_row(route: Route, integration: Integration) -> RecordStep:
    after = {
        "name": route.route_key[:128],
        "integration_url": integration.integration_uri,
        "two_way": _two_way(route),
    }
    return Step(
        action=Action.CREATE,
        kind=Kind.ROUTE_RECORD,
        name=route.route_key,
        reason=_REASON,
        changes=tuple(Change(attribute=name, before=None, after=value) for name, value in after.items()),
        resource=None,
    )


def _changed_row(want: WantedRoute, route: Route, integration: Integration) -> Iterator[RecordStep]:
    pairs = (
        ("integration_url", want.integration.integration_uri, integration.integration_uri),
        ("two_way", want.two_way, _two_way(route)),
    )
    changes = tuple(
        Change(attribute=name, before=before, after=after) for name, before, after in pairs if before != after
    )
    if changes:
        yield Step(
            action=Action.UPDATE,
            kind=Kind.ROUTE_RECORD,
            name=route.route_key,
            reason=_REASON,
            changes=changes,
            resource=None,
        )
