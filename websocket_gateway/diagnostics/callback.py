"""Probe of the target URL: call it as API Gateway would, but without the origin secret. It must refuse.

The URL comes from a row, and rows can be edited. So no redirect is followed, only the status of the
response is shown, and addresses that belong to the cloud of this machine are not called.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from urllib.parse import urljoin, urlsplit

from django.core.checks import CheckMessage

from websocket_gateway import context_headers
from websocket_gateway.checks.messages import error, fact, warning
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.events import API_ID_HEADER

_TIMEOUT_SECONDS = 5.0
_METADATA = frozenset(
    {
        "fd00:ec2::254",  # EC2, over IPv6; over IPv4 it is link-local, as are ECS and most other clouds
        "fd00:ec2::23",  # the credentials of EKS Pod Identity
        "fd20:ce::254",  # Google Cloud, over IPv6
        "fd00:42::42",  # Scaleway, over IPv6
        "100.100.100.200",  # Alibaba Cloud
        "192.0.0.192",  # Oracle Cloud
        "168.63.129.16",  # Azure, the platform's own address
    }
)
"""Metadata services outside the link-local ranges: they give credentials to who asks from inside."""
_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
"""Their names, refused whatever they resolve to here: API Gateway's network may resolve them differently."""
# An IPv4 address inside an IPv6 one: network, and how many bits stand behind the IPv4 address.
_EMBEDDING = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped, RFC 4291
    (ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),  # IPv4-translated, RFC 2765
    (ipaddress.IPv6Network("::/96"), 0),  # IPv4-compatible, RFC 4291
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4, RFC 3056
)
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
"""RFC 8215. Where the IPv4 address stands depends on the network, so no address of it is called."""


class RefusedAddressError(OSError):
    """The host has an address that a callback must not have."""


def probe_callback(gateway: ApiGateway) -> list[CheckMessage]:
    """Send an unsigned `$connect`, and judge the status of the response."""
    url = urljoin(gateway.target_base_endpoint, "connect")
    try:
        status = call_unsigned(url, gateway.api_id)
    except RefusedAddressError as exc:
        found: CheckMessage = error(
            "E109",
            f"{url} is not called: {exc}.",
            hint="Correct the target URL: a public backend does not have such an address.",
            obj=gateway,
        )
    except (OSError, HTTPException, ValueError) as exc:
        found = error(
            "E110",
            f"{url} cannot be reached from here: {type(exc).__name__}.",
            hint="Check host, port, certificate and firewall; API Gateway must reach it over the internet.",
            obj=gateway,
        )
    else:
        found = _judge(url, status, gateway)
    return [found]


def call_unsigned(url: str, api_id: str) -> int:
    """POST to `url` with the headers of an event and no secret. Returns the status."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    connection = HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    # Connect to the address that was judged: a second DNS query could return another one.
    connection.sock = _open(host, port, tls=tls)
    try:
        headers = {
            "Host": parts.netloc.rpartition("@")[2],
            "User-Agent": "websocket_gateway check_ws_settings",
            "Content-Length": "0",
            API_ID_HEADER: api_id,
            context_headers.CONNECTION_ID_HEADER: "check_ws_settings=",
            "Connection": "close",
        }
        connection.request("POST", parts.path or "/", headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def check_host(host: str) -> None:
    """Raise `RefusedAddressError` for the name of a metadata service."""
    if host.rstrip(".").lower() in _METADATA_NAMES:
        raise RefusedAddressError(f"{host} is the name of a metadata service")


def check_address(address: str) -> None:
    """Raise `RefusedAddressError` for link-local, multicast, unspecified and metadata addresses.

    An IPv4 address inside an IPv6 address counts as well.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    for found in (ip, *_embedded(ip)):
        local = isinstance(found, ipaddress.IPv6Address) and found in _LOCAL_NAT64
        bad = found.is_link_local or found.is_multicast or found.is_unspecified or str(found) in _METADATA
        if bad or local:
            inside = f" ({found})" if found != ip else ""
            raise RefusedAddressError(f"its host has the address {ip}{inside}")


def _embedded(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    for network, behind in _EMBEDDING:
        if isinstance(ip, ipaddress.IPv6Address) and ip in network and not ip.is_loopback:
            yield ipaddress.IPv4Address(int(ip) >> behind & 0xFFFFFFFF)
    if isinstance(ip, ipaddress.IPv6Address) and ip.teredo:
        yield from ip.teredo


def _open(host: str, port: int, *, tls: bool) -> socket.socket:
    check_host(host)
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for info in infos:
        check_address(str(info[4][0]))
    opened = _connect([str(info[4][0]) for info in infos], port)
    if not tls:
        return opened
    return ssl.create_default_context().wrap_socket(opened, server_hostname=host)


def _connect(addresses: list[str], port: int) -> socket.socket:
    failure: OSError = OSError("the host has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=_TIMEOUT_SECONDS)
        except OSError as exc:
            failure = exc
    raise failure


def _judge(url: str, status: int, gateway: ApiGateway) -> CheckMessage:
    if status == 403:
        return fact(f"gateway {gateway.api_name}: {url} refuses unsigned calls")
    if 300 <= status < 400:
        return error(
            "E111",
            f"{url} answers {status}, a redirect, which API Gateway does not follow.",
            hint="Set the target URL to where it leads: https instead of http, no slash after connect.",
            obj=gateway,
        )
    if 200 <= status < 300:
        return error(
            "E112",
            f"{url} answers {status} to a call without the origin secret.",
            hint="It must lead to a WebSocketView; look for a proxy or a page that answers instead.",
            obj=gateway,
        )
    if status == 400 and not get_settings().origin_secret_required:
        return warning(
            "W113",
            f"{url} answers {status}; without ORIGIN_SECRET_REQUIRED it cannot refuse unsigned calls.",
            hint='Run `manage.py sync_routes`, then delete "ORIGIN_SECRET_REQUIRED" from WEBSOCKET_GATEWAY.',
            obj=gateway,
        )
    return error(
        "E113",
        f"{url} answers {status} to an unsigned call, where a WebSocketView answers 403.",
        hint="400: add its host to ALLOWED_HOSTS. 404: put the view into the URLconf. 401, 405 or 5xx: check "
        "the proxy in front of it, and the log.",
        obj=gateway,
    )
