"""The URLs of a gateway, derived from AWS's own responses, never from a domain suffix of our own.

The stored `ApiEndpoint` already holds the partition's suffix (`amazonaws.com.cn`,
`amazonaws.eu`, …), and the local gateway's address.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from websocket_gateway.aws.clients import resolve_region
from websocket_gateway.conf import get_settings, is_loopback

_AWS_HOST = re.compile(r"^[a-z0-9-]+\.execute-api\.(?P<region>[a-z]{2,}(?:-[a-z]+)+-\d+)\.[a-z0-9.-]+$")


@dataclass(frozen=True, slots=True)
class ManagementEndpoint:
    """Where the `@connections` of one stage are, and the region that signs for them."""

    url: str
    region: str


def management_endpoint(*, api_endpoint: str, stage_name: str, region_name: str) -> ManagementEndpoint:
    """The `@connections` endpoint of a stage, from the stored `ApiEndpoint` (`wss://…`).

    With `ENDPOINT_URL` set, an address in AWS is never called: the path is looked for at `ENDPOINT_URL`.
    """
    parts = urlsplit(api_endpoint)
    base = urlunsplit(
        ("http" if parts.scheme in ("ws", "http") else "https", parts.netloc, parts.path, "", "")
    )
    override = get_settings().endpoint_url
    if override and (is_loopback(base) or region_in(api_endpoint)):
        base = override + parts.path
    return ManagementEndpoint(
        url=f"{base.rstrip('/')}/{stage_name}", region=region_of(api_endpoint, region_name)
    )


def domain_endpoint(
    *, domain_name: str, mapping_key: str, api_endpoint: str, region_name: str
) -> ManagementEndpoint:
    """The `@connections` endpoint behind a custom domain: its mapping holds the stage, the path does not."""
    return ManagementEndpoint(
        url=f"https://{domain_name}" + (f"/{mapping_key}" if mapping_key else ""),
        region=region_of(api_endpoint, region_name),
    )


def socket_url(*, api_endpoint: str, stage_name: str) -> str:
    """The `wss://` URL that clients connect to on the default endpoint."""
    parts = urlsplit(api_endpoint)
    scheme = "ws" if parts.scheme in ("ws", "http") else "wss"
    return urlunsplit((scheme, parts.netloc, f"{parts.path.rstrip('/')}/{stage_name}", "", ""))


def region_of(api_endpoint: str, region_name: str) -> str:
    """The region of an API: the one in its stored address, else `resolve_region`."""
    return region_in(api_endpoint) or resolve_region(region_name)


def region_in(api_endpoint: str) -> str:
    """The region that an `ApiEndpoint` of AWS names; empty for any other address."""
    try:
        host = urlsplit(api_endpoint).hostname or ""
    except ValueError:
        return ""
    found = _AWS_HOST.match(host)
    return found["region"] if found else ""
