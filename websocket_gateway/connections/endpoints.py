"""Addresses of a gateway, from its row: the socket URL for clients, the management endpoint for us."""

from __future__ import annotations

import logging
import shlex
from functools import lru_cache
from urllib.parse import urlsplit

from websocket_gateway.aws.clients import resolve_region
from websocket_gateway.aws.endpoints import (
    ManagementEndpoint,
    domain_endpoint,
    management_endpoint,
    region_in,
    socket_url,
)
from websocket_gateway.conf import get_settings
from websocket_gateway.exceptions import GatewayMissingError, MissingRegionError
from websocket_gateway.models import ApiGateway

logger = logging.getLogger(__name__)


def find_socket_url(gateway: ApiGateway) -> str:
    """The `wss://` URL of a gateway: the custom domain once that exists, else the stage; else empty."""
    if gateway.domain_name and gateway.custom_domain_created:
        return f"wss://{gateway.domain_name}" + (f"/{gateway.mapping_key}" if gateway.mapping_key else "")
    if not gateway.api_endpoint:
        return ""
    try:
        return socket_url(api_endpoint=gateway.api_endpoint, stage_name=gateway.stage_name)
    except ValueError:
        return ""  # such as half an IPv6 address: a row can be written by anything


def endpoint_of(api_gateway: ApiGateway) -> ManagementEndpoint:
    """The `@connections` endpoint of a gateway's stage.

    Raises `GatewayMissingError` for a row that was never created in AWS, or that holds no address, and
    `MissingRegionError` where neither the row nor the settings nor boto3 know a region. Logs a
    warning, once, when the region in use is not the one that the stored `api_endpoint` names;
    the latter is called.
    """
    if not api_gateway.api_endpoint:
        name = api_gateway.api_name
        raise GatewayMissingError(
            f"Gateway {name!r} does not exist in AWS yet. Run `manage.py create_gateway {shlex.quote(name)}`."
        )
    _check_address(api_gateway)
    if _must_use_domain(api_gateway):
        return domain_endpoint(
            domain_name=api_gateway.domain_name,
            mapping_key=api_gateway.mapping_key,
            api_endpoint=api_gateway.api_endpoint,
            region_name=api_gateway.region_name,
        )
    endpoint = management_endpoint(
        api_endpoint=api_gateway.api_endpoint,
        stage_name=api_gateway.stage_name,
        region_name=api_gateway.region_name,
    )
    stored = region_in(api_gateway.api_endpoint)
    if stored and not get_settings().endpoint_url:
        _compare_regions(api_gateway, stored)
    return endpoint


def _check_address(api_gateway: ApiGateway) -> None:
    """A row can be written by anybody; one that holds no address must not end a run for the others."""
    try:
        parts = urlsplit(api_gateway.api_endpoint)
        sound = parts.scheme in ("ws", "wss", "http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        name = api_gateway.api_name
        raise GatewayMissingError(
            f"Gateway {name!r} has {api_gateway.api_endpoint!r} stored as its address, which is none. "
            f"Run `manage.py sync_routes {shlex.quote(name)}`, which reads it from AWS."
        )


def _must_use_domain(api_gateway: ApiGateway) -> bool:
    """Whether the default endpoint is switched off, so that callbacks need the custom domain."""
    options = get_settings().gateway_options(api_gateway.api_name)
    return bool(options.disable_execute_api_endpoint and api_gateway.custom_domain_created)


def _compare_regions(api_gateway: ApiGateway, stored: str) -> None:
    try:
        used = resolve_region(api_gateway.region_name)
    except MissingRegionError:
        return
    if used != stored:
        _warn_once(api_gateway.api_name, used, stored)


@lru_cache(maxsize=256)
def _warn_once(name: str, used: str, stored: str) -> None:
    logger.warning(
        "The region in use for the gateway %r is %s, but its api_endpoint is in %s. "
        "Messages go to %s; correct AWS_GATEWAY_REGION_NAME or the gateway's region.",
        name,
        used,
        stored,
        stored,
    )
