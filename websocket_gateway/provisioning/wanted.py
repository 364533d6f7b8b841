"""The wanted state of a gateway: its row, its routes and the settings, put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from websocket_gateway.aws.endpoints import region_in
from websocket_gateway.aws.shapes import HEADER_PREFIX
from websocket_gateway.conf import GatewayOptions, get_settings, is_loopback
from websocket_gateway.context_headers import CONTEXT_HEADERS, MESSAGE_CONTEXT_HEADERS, STATIC_HEADERS
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import installation_fingerprint, origin_secret, secret_fingerprint
from websocket_gateway.provisioning.planning.marks import MAX_OWN_TAGS, Mark, remembering
from websocket_gateway.provisioning.wanted_routes import CONNECT, DISCONNECT, ProjectRoute, check_uri
from websocket_gateway.resources import Api, Integration, Stage, WantedGateway, WantedRoute, frozen
from websocket_gateway.validators import validate_stage_variables, validate_tags

_REQUEST_ID = re.compile(r"\$context\.(requestId|extendedRequestId)\b")


def wanted_gateway(gateway: ApiGateway, *, routes: tuple[ProjectRoute, ...]) -> WantedGateway:
    """Everything that should exist in AWS for `gateway`, without the secret: see `with_secret`.

    Raises `ConfigurationError` if a route's URL is on a host that must not receive the origin secret, or if
    row and settings contradict each other.
    """
    options = get_settings().gateway_options(gateway.api_name)
    mark = Mark(uuid=str(gateway.uuid), installation=installation_fingerprint())
    own_tags = _tags(gateway, options)
    tags = frozen({**own_tags, **remembering(own_tags), **mark.tags})
    return WantedGateway(
        api=Api(
            name=gateway.api_name,
            description=gateway.api_description,
            route_selection_expression=gateway.route_selection_expression,
            api_key_selection_expression=gateway.api_key_selection_expression,
            disable_execute_api_endpoint=options.disable_execute_api_endpoint,
            ip_address_type=options.ip_address_type,
            tags=tags,
        ),
        routes=tuple(_route(gateway, route, mark, options) for route in routes),
        stage=_stage(gateway, options, tags),
    )


def secret_of(gateway: ApiGateway) -> Callable[[str], str]:
    """A function: API id -> the secret that the integrations of `gateway` are given."""
    return lambda api_id: origin_secret(api_id, gateway.secret_generation)


def with_secret(wanted: WantedGateway, api_id: str, secret: Callable[[str], str]) -> WantedGateway:
    """`wanted` with the secret of that API; as it is while the API, and so its secret, does not exist."""
    if not api_id:
        return wanted
    told = secret_fingerprint(secret(api_id))
    routes = (
        replace(route, integration=replace(route.integration, secret_fingerprint=told))
        for route in wanted.routes
    )
    return replace(wanted, routes=tuple(routes))


def _tags(gateway: ApiGateway, options: GatewayOptions) -> dict[str, str]:
    more = dict(options.tags or ())
    for key, text in gateway.tags.items():
        if more.get(key, text) != text:
            raise ConfigurationError(
                f"Tag {key!r} of gateway {gateway.api_name!r} is {text!r} in the row and {more[key]!r} in "
                'WEBSOCKET_GATEWAY["GATEWAYS"]. Keep one of them.'
            )
    tags = {**gateway.tags, **more}
    _check(gateway, "TAGS", validate_tags, more)
    if len(tags) > MAX_OWN_TAGS:
        raise ConfigurationError(
            f"Gateway {gateway.api_name!r} has {len(tags)} tags in row and settings; at most {MAX_OWN_TAGS}."
        )
    return tags


def _stage(gateway: ApiGateway, options: GatewayOptions, tags: Mapping[str, str]) -> Stage:
    variables = options.stage_variables
    _check_access_log(gateway, options)
    _check(gateway, "STAGE_VARIABLES", validate_stage_variables, dict(variables or ()))
    return Stage(
        stage_name=gateway.stage_name,
        description=gateway.stage_description or None,  # UpdateStage is reported to ignore an empty text
        throttling_rate_limit=options.throttling_rate_limit,
        throttling_burst_limit=options.throttling_burst_limit,
        logging_level=options.logging_level,
        access_log_arn=options.access_log_arn,
        access_log_format=options.access_log_format,
        stage_variables=None if variables is None else frozen(dict(variables)),
        tags=tags,
    )


def _check_access_log(gateway: ApiGateway, options: GatewayOptions) -> None:
    """AWS takes a log group and a format together, and a format with the id of the request only.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-logging.html
    """
    where = f'WEBSOCKET_GATEWAY["GATEWAYS"][{gateway.api_name!r}]'
    if bool(options.access_log_arn) != bool(options.access_log_format):
        given, missing = "ACCESS_LOG_ARN", "ACCESS_LOG_FORMAT"
        if options.access_log_format:
            given, missing = missing, given
        raise ConfigurationError(f"{where} has {given} and no {missing}: set both, or neither.")
    text = options.access_log_format or ""
    if text and not _REQUEST_ID.search(text):
        raise ConfigurationError(
            f'{where}["ACCESS_LOG_FORMAT"] must contain $context.requestId or $context.extendedRequestId.'
        )


def _check(
    gateway: ApiGateway, key: str, validate: Callable[[dict[str, str]], None], value: dict[str, str]
) -> None:
    """Refuse in the settings what AWS would refuse half-way through a run."""
    try:
        validate(value)
    except ValidationError as exc:
        where = f'WEBSOCKET_GATEWAY["GATEWAYS"][{gateway.api_name!r}]["{key}"]'
        raise ConfigurationError(f"{where}: {exc.messages[0]}") from exc


def _route(gateway: ApiGateway, route: ProjectRoute, mark: Mark, options: GatewayOptions) -> WantedRoute:
    check_uri(gateway, route)
    integration = Integration(
        description=mark.integration_description(route.route_key),
        integration_uri=route.uri,
        timeout_in_millis=options.integration_timeout_ms,
        request_parameters=frozen(_request_parameters(route.route_key)),
    )
    return WantedRoute(
        route_key=route.route_key, two_way=route.two_way, integration=integration, source=route.source
    )


def _request_parameters(route_key: str) -> dict[str, str]:
    headers = {**CONTEXT_HEADERS, **{name: f"'{value}'" for name, value in STATIC_HEADERS.items()}}
    if route_key not in (CONNECT, DISCONNECT):
        headers |= MESSAGE_CONTEXT_HEADERS
    return {HEADER_PREFIX + name: value for name, value in headers.items()}


def unwise(gateway: ApiGateway, *, replaced: bool = False) -> Iterator[str]:
    """Notes on what is allowed and rarely meant; `replaced` for an API that is created again."""
    if urlsplit(gateway.target_base_endpoint).scheme == "http" and not is_loopback(
        gateway.target_base_endpoint
    ):
        yield f"{gateway.target_base_endpoint} is plain http: the origin secret travels unencrypted"
    region = "" if replaced else region_in(gateway.api_endpoint)
    asked_for = gateway.region_name or get_settings().region_name
    if region and asked_for and asked_for != region:
        yield f"the API is in {region}; the region {asked_for} that is configured now is not used for it"
