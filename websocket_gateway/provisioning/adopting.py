"""Taking over an API that this installation did not make: which values its row starts with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from websocket_gateway.aws.apis import Apis
from websocket_gateway.aws.clients import resolve_region
from websocket_gateway.aws.identity import caller_account
from websocket_gateway.exceptions import ConfigurationError, GatewayMissingError
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.resources import Api


def adopted_values(
    name: str | None, api_id: str, values: Mapping[str, Any], *, on_wait: Callable[[str], None]
) -> dict[str, Any]:
    """`values` with the ids of that API, and, for a row that does not exist yet, with what the API has.

    What clients see (the stage's name, the route selection expression) stays as it is that way. Reads AWS,
    changes nothing. Raises `GatewayMissingError` if AWS does not know the API, `ConfigurationError` if it
    is another gateway's or the row has another API.
    """
    row = ApiGateway.objects.filter(api_name=name).first() if name is not None else None
    row = row or (ApiGateway.objects.first() if name is None and ApiGateway.objects.count() == 1 else None)
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
        raise ConfigurationError(f"API {api_id!r} is the one of gateway {other.api_name!r} already.")
    if row is not None and row.api_id != api_id and row.api_id in present:
        raise ConfigurationError(
            f"Gateway {row.api_name!r} has API {row.api_id!r} in AWS already. Adopt {api_id!r} under another "
            "name, or delete the API that the gateway has first."
        )


def _values_in_aws(apis: Apis, api: Api) -> dict[str, Any]:
    found: dict[str, Any] = {
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
    """What `$connect` is sent to, without its last part, if that is the one of our views."""
    uris = {item.integration_id: item.integration_uri for item in apis.list_integrations(api_id)}
    for route in apis.list_routes(api_id):
        uri = uris.get(route.integration_id, "")
        if route.route_key == "$connect" and uri.startswith("http") and uri.endswith("/connect"):
            return uri.removesuffix("connect")
    return ""
