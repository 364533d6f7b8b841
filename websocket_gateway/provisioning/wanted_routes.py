"""Which routes a gateway should have: those of its target URL, its additional routes, what views declare."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from django.core.exceptions import ValidationError

from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.declared_routes import DeclaredRoute, find_declared_routes, mount_prefix
from websocket_gateway.validators import validate_http_url

CONNECT, DISCONNECT, DEFAULT = "$connect", "$disconnect", "$default"
# https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html
_MAX_URI_LENGTH = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRoute:
    """A route as the project declares it."""

    route_key: str
    uri: str
    two_way: bool
    source: str = ""
    """The declaration, in words; empty for the gateway itself."""
    is_row: bool = False
    """Whether an additional route's row declares it."""


def project_routes(gateway: ApiGateway) -> tuple[ProjectRoute, ...]:
    """Every route that `gateway` should have.

    Raises `ConfigurationError` if a key is declared twice, or if it is not clear for which gateway.
    """
    found: dict[str, ProjectRoute] = {}
    for route in (*own_routes(gateway), *_rows(gateway), *_declared(gateway)):
        if (other := found.get(route.route_key)) is not None:
            raise ConfigurationError(
                f"Route {route.route_key!r} of gateway {gateway.api_name!r} is declared twice: by "
                f"{other.source or 'the gateway'} and by {route.source}. Keep one of them."
            )
        found[route.route_key] = route
    return tuple(found.values())


def own_routes(gateway: ApiGateway) -> Iterator[ProjectRoute]:
    """The three that follow the gateway's target URL."""
    base = gateway.target_base_endpoint
    yield ProjectRoute(route_key=CONNECT, uri=urljoin(base, "connect"), two_way=False)
    yield ProjectRoute(route_key=DISCONNECT, uri=urljoin(base, "disconnect"), two_way=False)
    yield ProjectRoute(route_key=DEFAULT, uri=urljoin(base, "default"), two_way=gateway.two_way)


def _rows(gateway: ApiGateway) -> Iterator[ProjectRoute]:
    if not gateway.pk:
        return
    for row in gateway.additional_routes.order_by("route_key"):
        yield ProjectRoute(
            route_key=row.route_key,
            uri=row.integration_url,
            two_way=row.two_way,
            source=f"the additional route {row.name!r}",
            is_row=True,
        )


def _declared(gateway: ApiGateway) -> Iterator[ProjectRoute]:
    target = urlsplit(gateway.target_base_endpoint)
    declared = find_declared_routes()
    root = f"{target.scheme}://{target.netloc}{mount_prefix(target.path) if declared else ''}"
    _check_unambiguous(gateway, [route for route in declared if route.gateway_name is None])
    for route in declared:
        if route.gateway_name in (None, gateway.api_name):
            yield ProjectRoute(
                route_key=route.route_key,
                uri=root + route.path,
                two_way=gateway.two_way,
                source=route.source,
            )


def _check_unambiguous(gateway: ApiGateway, unassigned: list[DeclaredRoute]) -> None:
    if not unassigned:
        return
    others = ApiGateway.objects.exclude(pk=gateway.pk).order_by("api_name")
    names = [gateway.api_name, *others.values_list("api_name", flat=True)[:20]]
    if len(names) > 1:
        first = unassigned[0]
        raise ConfigurationError(
            f"{first.source} declares the route {first.route_key!r}, and there are several gateways "
            f"({', '.join(map(repr, names))}). Say which one it is for: "
            f"websocket_route_keys = {{{first.route_key!r}: {gateway.api_name!r}}}"
        )


def unknown_gateways(planned: str) -> Iterator[str]:
    """A note on every gateway, `planned` apart, that a view or the settings name and that has no row."""
    declared = [route for route in find_declared_routes() if route.gateway_name not in (None, planned)]
    configured = [name for name, _ in get_settings().gateways if name != planned]
    known: Collection[str] = ()
    if declared or configured:
        known = set(ApiGateway.objects.values_list("api_name", flat=True))
    for route in declared:
        if route.gateway_name not in known:
            key, name = route.route_key, route.gateway_name
            yield f"{route.source} declares {key!r} for gateway {name!r}, which has no row"
    for name in configured:
        if name not in known:
            yield f'WEBSOCKET_GATEWAY["GATEWAYS"] configures gateway {name!r}, which has no row'


def check_uri(gateway: ApiGateway, route: ProjectRoute) -> None:
    """Check the URL and its host: the integration carries the origin secret to it."""
    where = f"Route {route.route_key!r} of gateway {gateway.api_name!r}"
    try:
        validate_http_url(route.uri)
    except ValidationError as exc:
        raise ConfigurationError(f"{where}: {exc.messages[0]}") from exc
    if len(route.uri) > _MAX_URI_LENGTH:
        raise ConfigurationError(
            f"{where}: its URL has {len(route.uri)} characters; AWS takes at most {_MAX_URI_LENGTH}."
        )
    host = urlsplit(route.uri).hostname or ""
    allowed = get_settings().allowed_target_hosts or (urlsplit(gateway.target_base_endpoint).hostname or "",)
    if not any(_matches(host, pattern.lower()) for pattern in allowed):
        raise ConfigurationError(
            f"{where} points at {host!r}, which is not an allowed target host, so it must not receive the "
            'origin secret. Add it to WEBSOCKET_GATEWAY["ALLOWED_TARGET_HOSTS"] '
            f"(now: {', '.join(allowed)})."
        )


def _matches(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
