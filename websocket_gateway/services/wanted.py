"""What the project wants of a gateway: its row, its additional routes and the settings, put together."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from django.core.exceptions import ValidationError

from websocket_gateway.aws.endpoints import region_in
from websocket_gateway.aws.session import is_loopback
from websocket_gateway.aws.shapes import HEADER_PREFIX
from websocket_gateway.conf import GatewayOptions, get_settings
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import installation_fingerprint, origin_secret, secret_fingerprint
from websocket_gateway.planning.marks import Mark
from websocket_gateway.resources import Api, Integration, Stage, WantedGateway, WantedRoute, frozen
from websocket_gateway.validators import validate_http_url
from websocket_gateway.wire import CONTEXT_HEADERS, MESSAGE_CONTEXT_HEADERS, STATIC_HEADERS

CONNECT, DISCONNECT, DEFAULT = "$connect", "$disconnect", "$default"
# https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html
_MAX_URI_LENGTH = 2048


def wanted_gateway(gateway: ApiGateway, *, api_id: str = "") -> WantedGateway:
    """Everything that should exist in AWS for `gateway`; `api_id` is empty while the API does not exist.

    Raises `ConfigurationError` if a route's URL is on a host that may not be told the origin secret.
    """
    options = get_settings().gateway_options(gateway.api_name)
    mark = Mark(uuid=str(gateway.uuid), installation=installation_fingerprint())
    tags = frozen({**gateway.tags, **dict(options.tags or ()), **mark.tags})
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
        routes=tuple(_routes(gateway, mark, options, api_id)),
        stage=Stage(
            stage_name=gateway.stage_name,
            description=gateway.stage_description,
            throttling_rate_limit=options.throttling_rate_limit,
            throttling_burst_limit=options.throttling_burst_limit,
            logging_level=options.logging_level,
            access_log_arn=options.access_log_arn,
            access_log_format=options.access_log_format,
            stage_variables=None
            if options.stage_variables is None
            else frozen(dict(options.stage_variables)),
            tags=tags,
        ),
    )


def unwise(gateway: ApiGateway) -> Iterator[str]:
    """What is allowed and should still be thought about."""
    if urlsplit(gateway.target_base_endpoint).scheme == "http" and not is_loopback(
        gateway.target_base_endpoint
    ):
        yield f"{gateway.target_base_endpoint} is plain http: the origin secret travels unencrypted"
    region = region_in(gateway.api_endpoint)
    asked_for = gateway.region_name or get_settings().region_name
    if region and asked_for and asked_for != region:
        yield f"the API is in {region}; the region {asked_for} that is configured now is not used for it"


def _routes(gateway: ApiGateway, mark: Mark, options: GatewayOptions, api_id: str) -> Iterator[WantedRoute]:
    base = gateway.target_base_endpoint
    named = [
        (CONNECT, urljoin(base, "connect"), False),
        (DISCONNECT, urljoin(base, "disconnect"), False),
        (DEFAULT, urljoin(base, "default"), gateway.two_way),
    ]
    if gateway.pk:
        named += [
            (route.route_key, route.integration_url, route.two_way)
            for route in gateway.additional_routes.order_by("route_key")
        ]
    for route_key, uri, two_way in named:
        _check_uri(gateway, route_key, uri)
        integration = Integration(
            description=mark.integration_description(route_key),
            integration_uri=uri,
            timeout_in_millis=options.integration_timeout_ms,
            request_parameters=frozen(_request_parameters(route_key)),
            secret_fingerprint=secret_fingerprint(origin_secret(api_id)) if api_id else "",
        )
        yield WantedRoute(route_key=route_key, two_way=two_way, integration=integration)


def _request_parameters(route_key: str) -> dict[str, str]:
    headers = {**CONTEXT_HEADERS, **{name: f"'{value}'" for name, value in STATIC_HEADERS.items()}}
    if route_key not in (CONNECT, DISCONNECT):
        headers |= MESSAGE_CONTEXT_HEADERS
    return {HEADER_PREFIX + name: value for name, value in headers.items()}


def _check_uri(gateway: ApiGateway, route_key: str, uri: str) -> None:
    """The integration carries the origin secret, so its host must be one that may know it."""
    try:
        validate_http_url(uri)
    except ValidationError as exc:
        raise ConfigurationError(
            f"Route {route_key!r} of gateway {gateway.api_name!r}: {exc.messages[0]}"
        ) from exc
    if len(uri) > _MAX_URI_LENGTH:
        raise ConfigurationError(
            f"Route {route_key!r} of gateway {gateway.api_name!r}: its URL has {len(uri)} characters; "
            f"AWS takes at most {_MAX_URI_LENGTH}."
        )
    host = urlsplit(uri).hostname or ""
    allowed = get_settings().allowed_target_hosts or (urlsplit(gateway.target_base_endpoint).hostname or "",)
    if not any(_matches(host, pattern.lower()) for pattern in allowed):
        raise ConfigurationError(
            f"Route {route_key!r} of gateway {gateway.api_name!r} points at {host!r}, which may not be told "
            'the origin secret. Add it to WEBSOCKET_GATEWAY["ALLOWED_TARGET_HOSTS"] '
            f"(now: {', '.join(allowed)})."
        )


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
