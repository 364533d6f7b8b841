"""Taking what was changed in AWS into our rows: set in memory first, saved by the plan's first steps."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.exceptions import ValidationError

from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute
from websocket_gateway.provisioning.plan import Kind, Step
from websocket_gateway.provisioning.planning.importing import Importable, plan_import
from websocket_gateway.provisioning.row import set_values
from websocket_gateway.provisioning.wanted_routes import ProjectRoute, own_routes
from websocket_gateway.resources import ObservedGateway, WantedGateway


def take_over(
    gateway: ApiGateway, wanted: WantedGateway, observed: ObservedGateway, routes: tuple[ProjectRoute, ...]
) -> tuple[tuple[Step, ...], tuple[ProjectRoute, ...]]:
    """The steps that save what AWS knows better, and the routes as they are wanted after that.

    The values are set on `gateway`, unsaved. Raises `ConfigurationError` if a row could not hold them.
    """
    rows = {route.route_key: route for route in routes if route.is_row}
    importable = Importable(target=gateway.target_base_endpoint, tags=gateway.tags, row_keys=rows.keys())
    steps = plan_import(wanted, observed, importable)
    for step in steps:
        values = {change.attribute: change.after for change in step.changes}
        if step.kind is Kind.RECORD:
            set_values(gateway, values)
            continue
        before = rows.get(step.name)
        values = {**({"integration_url": before.uri, "two_way": before.two_way} if before else {}), **values}
        _check(gateway, step.name, values)
        rows[step.name] = ProjectRoute(
            route_key=step.name,
            uri=str(values["integration_url"]),
            two_way=bool(values["two_way"]),
            is_row=True,
        )
    return steps, (*own_routes(gateway), *rows.values(), *_declared(routes))


def _declared(routes: tuple[ProjectRoute, ...]) -> Iterator[ProjectRoute]:
    """What views declare is in the code, and no row can change it."""
    for route in routes:
        if not route.is_row and not route.route_key.startswith("$"):
            yield route


def _check(gateway: ApiGateway, route_key: str, values: dict[str, object]) -> None:
    row = ApiGatewayAdditionalRoute(
        **{"name": route_key[:128], **values}, api_gateway=gateway, route_key=route_key
    )
    try:
        row.clean_fields(exclude={"api_gateway"})
    except ValidationError as exc:
        problems = " ".join(exc.messages)
        raise ConfigurationError(
            f"Route {route_key!r} of gateway {gateway.api_name!r} cannot be taken into a row: {problems}"
        ) from exc
