"""Calls the target URL as API Gateway would, but without its secret: it must refuse.

No redirect is followed, nothing of the answer but its status is shown, and addresses that belong
to the machine's own cloud are not called: the URL comes from a row, and rows can be edited.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from http.client import HTTPConnection, HTTPException
from urllib.parse import urljoin, urlsplit

from websocket_gateway import context_headers
from websocket_gateway.conf import get_settings
from websocket_gateway.diagnostics.findings import Answer, Finding, error, warning
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.events import API_ID_HEADER

_TIMEOUT_SECONDS = 5.0
# IMDS over IPv6, and that of other clouds, stand outside the link-local ranges.
_METADATA = frozenset({"fd00:ec2::254", "100.100.100.200", "192.0.0.192"})


class RefusedAddressError(OSError):
    """The host's address is none that a callback may have."""


def probe_callback(gateway: ApiGateway) -> Answer:
    """Send an unsigned `$connect`, and judge the status."""
    url = urljoin(gateway.target_base_endpoint, "connect")
    try:
        status = call_unsigned(url, gateway.api_id)
    except RefusedAddressError as exc:
        found = error(
            "E109",
            f"{url} is not called: {exc}.",
            hint="Correct the target URL: no public backend has such an address.",
            gateway=gateway.api_name,
        )
    except (OSError, HTTPException, ValueError) as exc:
        found = error(
            "E110",
            f"{url} cannot be reached from here: {type(exc).__name__}.",
            hint="Check host, port, certificate and firewall; API Gateway must reach it over the internet.",
            gateway=gateway.api_name,
        )
    else:
        return _judge(url, status, gateway)
    return Answer(findings=(found,))


def call_unsigned(url: str, api_id: str) -> int:
    """POST to `url` with the headers of an event and no secret; the status."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    connection = HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    # Connected to the very address that was judged: asking DNS again could give another one.
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


def check_address(address: str) -> None:
    """Raise `RefusedAddressError` for link-local, multicast, unspecified and metadata addresses."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    if ip.is_link_local or ip.is_multicast or ip.is_unspecified or str(ip) in _METADATA:
        raise RefusedAddressError(f"its host has the address {ip}")


def _open(host: str, port: int, *, tls: bool) -> socket.socket:
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


def _judge(url: str, status: int, gateway: ApiGateway) -> Answer:
    if status == 403:
        return Answer(facts=(f"gateway {gateway.api_name}: {url} refuses unsigned calls",))
    return Answer(findings=(_finding(url, status, gateway.api_name),))


def _finding(url: str, status: int, name: str) -> Finding:
    if 300 <= status < 400:
        return error(
            "E111",
            f"{url} answers {status}, a redirect, which API Gateway does not follow.",
            hint="Set the target URL to where it leads: https instead of http, no slash behind connect.",
            gateway=name,
        )
    if 200 <= status < 300:
        return error(
            "E112",
            f"{url} answers {status} to a call without the origin secret.",
            hint="It must lead to a WebSocketView; look for a proxy or a page that answers instead.",
            gateway=name,
        )
    if status == 400 and not get_settings().origin_secret_required:
        return warning(
            "W113",
            f"{url} answers {status}; without ORIGIN_SECRET_REQUIRED there is nothing to refuse by.",
            hint='Run `manage.py sync_routes`, then delete "ORIGIN_SECRET_REQUIRED" from WEBSOCKET_GATEWAY.',
            gateway=name,
        )
    return error(
        "E113",
        f"{url} answers {status} to an unsigned call, where a WebSocketView answers 403.",
        hint="400: add its host to ALLOWED_HOSTS. 404: put the view into the URLconf. 401, 405 or 5xx: look "
        "at the proxy before it and at the log.",
        gateway=name,
    )
