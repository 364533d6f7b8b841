"""Values that AWS has, for our rows: changes made there (`--import`), or a whole API (`--adopt`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from django.core.exceptions import ValidationError

from websocket_gateway.aws.apis import Apis
from websocket_gateway.aws.clients import resolve_region
from websocket_gateway.aws.identity import caller_account
from websocket_gateway.exceptions import ConfigurationError, GatewayMissingError, GatewayNotFoundError
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.provisioning.plan import Kind, RecordStep
from websocket_gateway.provisioning.planning.importing import Importable, plan_import
from websocket_gateway.provisioning.row import find_gateway, set_values
from websocket_gateway.provisioning.wanted import wanted_gateway
from websocket_gateway.provisioning.wanted_routes import ProjectRoute, own_routes
from websocket_gateway.resources import Api, ObservedGateway, WantedGateway


def import_changes(
    gateway: ApiGateway, wanted: WantedGateway, observed: ObservedGateway, routes: tuple[ProjectRoute, ...]
) -> tuple[tuple[RecordStep, ...], WantedGateway]:
    """The steps that save what was changed in AWS, and what is wanted after that.

    The values are set on `gateway`, unsaved. Raises `ConfigurationError` if a row cannot hold them.
    """
    rows = {route.route_key: route for route in routes if route.is_row}
    importable = Importable(target=gateway.target_base_endpoint, tags=gateway.tags, row_keys=rows.keys())
    steps = plan_import(wanted, observed, importable)
    for step in steps:
        values = step.values
        if step.kind is Kind.RECORD:
            set_values(gateway, values)
            continue
        before = rows.get(step.name)
        values = {**({"integration_url": before.uri, "two_way": before.two_way} if before else {}), **values}
        _check_row(gateway, step.name, values)
        rows[step.name] = ProjectRoute(
            route_key=step.name,
            uri=str(values["integration_url"]),
            two_way=bool(values["two_way"]),
            is_row=True,
        )
    routes = (*own_routes(gateway), *rows.values(), *_declared(routes))
    return steps, wanted_gateway(gateway, routes=routes) if steps else wanted


def _declared(routes: tuple[ProjectRoute, ...]) -> Iterator[ProjectRoute]:
    """The routes that views declare: they are in the code, and a row cannot change them."""
    for route in routes:
        if not route.is_row and not route.route_key.startswith("$"):
            yield route


def _check_row(gateway: ApiGateway, route_key: str, values: dict[str, object]) -> None:
    row = ApiGatewayAdditionalRoute(
        **{"name": route_key[:128], **values}, api_gateway=gateway, route_key=route_key
    )
    try:
        row.clean_fields(exclude={"api_gateway"})
    except ValidationError as exc:
        problems = " ".join(exc.messages)
        raise ConfigurationError(
            f"Route {route_key!r} of gateway {gateway.api_name!r} cannot be imported into a row: {problems}"
        ) from exc


def adopted_values(
    name: str | None, api_id: str, values: Mapping[str, object], *, on_wait: Callable[[str], None]
) -> dict[str, object]:
    """`values` with the ids of that API, and, for a row that does not exist yet, with what the API has.

    What clients see (the stage's name, the route selection expression) stays as it is that way. Reads AWS,
    changes nothing. Raises `GatewayMissingError` if AWS does not know the API, `ConfigurationError` if it
    is another gateway's or the row has another API.
    """
    try:
        row: ApiGateway | None = find_gateway(name)
    except GatewayNotFoundError:
        row = None
    region = resolve_region(row.region_name if row else "")
    apis = Apis.in_region(region, origin_secret=origin_secret, on_wait=on_wait)
    present = {api.api_id: api for api in apis.list_apis()}
    if api_id not in present:
        raise GatewayMissingError(
            f"AWS knows no WebSocket API {api_id!r} ({caller_account(region)}, region {region})."
        )
    _check_free(row, api_id, present)
    if row is None:
        values = {**_values_in_aws(apis, present[api_id]), **values}
    if row is not None and row.api_id == api_id:
        return dict(values)
    return {**values, "api_id": api_id, "api_endpoint": present[api_id].api_endpoint}


def _check_free(row: ApiGateway | None, api_id: str, present: Mapping[str, Api]) -> None:
    other = ApiGateway.objects.filter(api_id=api_id).first()
    if other is not None and other != row:
        raise ConfigurationError(f"API {api_id!r} already belongs to gateway {other.api_name!r}.")
    if row is not None and row.api_id != api_id and row.api_id in present:
        raise ConfigurationError(
            f"Gateway {row.api_name!r} has API {row.api_id!r} in AWS already. Adopt {api_id!r} under another "
            "name, or delete the API that the gateway has first."
        )


def _values_in_aws(apis: Apis, api: Api) -> dict[str, object]:
    found: dict[str, object] = {
        "api_description": api.description,
        "route_selection_expression": api.route_selection_expression,
        "api_key_selection_expression": api.api_key_selection_expression,
    }
    stages = apis.list_stages(api.api_id)
    if len(stages) == 1:
        found |= {"stage_name": stages[0].stage_name, "stage_description": stages[0].description}
    found["target_base_endpoint"] = _target(apis, api.api_id)
    return {name: value for name, value in found.items() if value}


def _target(apis: Apis, api_id: str) -> str:
    """The URL that `$connect` is sent to, without its last part, if that is the one of our views."""
    uris = {item.integration_id: item.integration_uri for item in apis.list_integrations(api_id)}
    for route in apis.list_routes(api_id):
        uri = uris.get(route.integration_id, "")
        if route.route_key == "$connect" and uri.startswith("http") and uri.endswith("/connect"):
            return uri.removesuffix("connect")
    return ""
