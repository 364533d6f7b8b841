"""Map an event on a socket to the HTTP request for the backend: headers and parameter mappings."""

from __future__ import annotations

import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from websocket_gateway.local.errors import BadRequestError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.options import Quirks
from websocket_gateway.local.routing import MISSING, as_text, find_path

EventKind = Literal["CONNECT", "MESSAGE", "DISCONNECT"]
Headers = list[tuple[str, str]]
"""Values are bytes, one character each (latin-1), so that the values of a client are passed on unchanged."""

JSON_TYPE = "application/json; charset=UTF-8"
TEXT_TYPE = "text/plain; charset=UTF-8"

_KEY = re.compile(r"integration\.request\.(header|querystring|path)\.([a-zA-Z0-9._$-]+)")
_VALUE = re.compile(
    r"context\.[A-Za-z0-9_.]+"
    r"|stageVariables\.[A-Za-z0-9_]+"
    r"|'[^']*'"
    r"|route\.request\.(querystring|header|multivaluequerystring|multivalueheader)\.\S+"
    r"|route\.request\.body(\.\S+)?"
)
_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
_UNSAFE_IN_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")
# Hop-by-hop headers, and headers that the gateway sets itself.
_NOT_FORWARDED = frozenset(
    (
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-amzn-apigateway-api-id",
        "x-forwarded-port",
        "x-forwarded-proto",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event on a socket: a connect, a message or a disconnect."""

    kind: EventKind
    context: dict[str, str]
    """The values of `context.…`, by dotted name."""
    stage_variables: dict[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=list)
    """The client's handshake headers; empty after `$connect`."""
    query: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendRequest:
    """One HTTP request, ready to be sent."""

    method: str
    scheme: str
    host: str
    port: int
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    timeout: float


def check_request_parameters(parameters: dict[str, str]) -> None:
    """Raise `BadRequestError` for mappings that AWS does not accept."""
    for key, value in parameters.items():
        if not _KEY.fullmatch(key):
            raise BadRequestError(f"Invalid mapping expression specified: invalid parameter key {key!r}")
        if not _VALUE.fullmatch(value):
            raise BadRequestError(f"Invalid mapping expression specified: {key} cannot be {value!r}")


def build_request(integration: Wire, route: Wire, event: Event, quirks: Quirks) -> BackendRequest:
    """Build the HTTP request for one event, as far as the requests of API Gateway are known."""
    mapped = _mapped_values(integration, route, event)
    uri = _STAGE_VARIABLE.sub(
        lambda match: event.stage_variables.get(match[1], ""), integration["integrationUri"]
    )
    for name, value in mapped["path"].items():
        uri = uri.replace(f"{{{name}}}", quote(value, safe="", encoding="latin-1"))
    parts = urlsplit(uri)
    proxy = integration["integrationType"] == "HTTP_PROXY"
    query = _merged_query(parts.query, event.query if proxy else "", mapped["querystring"])
    headers = _headers(event, quirks, proxy=proxy)
    for name, value in mapped["header"].items():
        headers = _with_mapped_header(headers, name, value, quirks)
    body = event.body.encode() if event.kind == "MESSAGE" else b""
    own = [("Host", parts.netloc.rpartition("@")[2]), ("Content-Length", str(len(body)))]
    written = {name.lower() for name, _ in headers}
    headers = [item for item in own if item[0].lower() not in written] + headers
    method = integration["integrationMethod"]
    return BackendRequest(
        method="POST" if method == "ANY" else method,
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or (443 if parts.scheme == "https" else 80),
        target=quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._") + (f"?{query}" if query else ""),
        headers=tuple((name, _UNSAFE_IN_HEADER.sub(" ", value)) for name, value in headers),
        body=body,
        timeout=integration["timeoutInMillis"] / 1000,
    )


def _merged_query(own: str, client: str, mapped: dict[str, str]) -> str:
    """Pass on the query of the client unchanged, except for names that a mapping sets."""
    joined = "&".join(part for part in (own, client) if part)
    if not mapped:
        return joined
    kept = [(key, value) for key, value in _parse_query(joined) if key not in mapped]
    return urlencode(kept + list(mapped.items()), encoding="latin-1")


def _parse_query(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True, encoding="latin-1")


def as_bytes_text(text: str) -> str:
    """Return the UTF-8 bytes of a text, one character each."""
    return text.encode("utf-8", "replace").decode("latin-1")


def _mapped_values(integration: Wire, route: Wire, event: Event) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {"header": {}, "querystring": {}, "path": {}}
    for key, source in integration.get("requestParameters", {}).items():
        match = _KEY.fullmatch(key)
        value = resolve(source, route, event)
        if match is not None and value is not None:
            found[match[1]][match[2]] = value
    return found


def resolve(source: str, route: Wire, event: Event) -> str | None:
    """Return the value of a mapping, or `None` if the event has no such value."""
    if source.startswith("'"):
        return as_bytes_text(source[1:-1])
    if source.startswith("context."):
        return event.context.get(source.removeprefix("context."))
    if source.startswith("stageVariables."):
        return event.stage_variables.get(source.removeprefix("stageVariables."))
    if source.startswith("route.request.body"):
        return _from_body(source.removeprefix("route.request.body").lstrip("."), event)
    if event.kind != "CONNECT" or source not in route.get("requestParameters", {}):
        return None
    return _from_handshake(source, event)


def _from_body(path: str, event: Event) -> str | None:
    if event.kind != "MESSAGE":
        return None
    if not path:
        return as_bytes_text(event.body)
    try:
        value = find_path(json.loads(event.body), path)
    except (ValueError, RecursionError):
        return None
    return None if value is MISSING else as_bytes_text(as_text(value))


def _from_handshake(source: str, event: Event) -> str | None:
    _, _, place, name = source.split(".", 3)
    if place.endswith("querystring"):
        values = [value for key, value in _parse_query(event.query) if key == name]
    else:
        values = [value for key, value in event.headers if key.lower() == name.lower()]
    if not values:
        return None
    return ",".join(values) if place.startswith("multi") else values[-1]


def _headers(event: Event, quirks: Quirks, *, proxy: bool) -> Headers:
    api_id = event.context["apiId"]
    agent = ("User-Agent", f"AmazonAPIGateway_{api_id}")
    api = ("x-amzn-apigateway-api-id", api_id)
    if event.kind == "DISCONNECT":
        return [agent, api, ("X-Forwarded-For", ""), ("x-api-key", ""), ("x-restapi", "")]
    if event.kind == "MESSAGE":
        return [agent, api, ("Content-Type", _content_type(event.body, quirks))]
    return [*_connect_headers(event, quirks, proxy=proxy), api]


def _content_type(body: str, quirks: Quirks) -> str:
    if quirks.text_content_type == "json":
        return JSON_TYPE
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return TEXT_TYPE
    return JSON_TYPE


def _connect_headers(event: Event, quirks: Quirks, *, proxy: bool) -> Headers:
    client = [item for item in event.headers if item[0].lower() not in _NOT_FORWARDED] if proxy else []
    if quirks.connect_user_agent == "gateway":
        client = [item for item in client if item[0].lower() != "user-agent"]
    names = {name.lower() for name, _ in client}
    source_ip = event.context["identity.sourceIp"]
    forwarded = [value for name, value in client if name.lower() == "x-forwarded-for"]
    headers = [item for item in client if item[0].lower() != "x-forwarded-for"]
    headers += [
        ("X-Forwarded-For", ", ".join([*forwarded, source_ip])),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Proto", "https"),
    ]
    if "x-amzn-trace-id" not in names:
        headers.append(("X-Amzn-Trace-Id", new_trace_id()))
    if "user-agent" not in names:
        headers.append(("User-Agent", f"AmazonAPIGateway_{event.context['apiId']}"))
    return headers


def new_trace_id() -> str:
    """Return a new trace id in the form of X-Ray."""
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def _with_mapped_header(headers: Headers, name: str, value: str, quirks: Quirks) -> Headers:
    if quirks.header_twins == "keep":
        kept = [item for item in headers if item[0] != name]
    else:
        kept = [item for item in headers if item[0].lower() != name.lower()]
    return [*kept, (name, value)]


def canonical_name(name: str) -> str:
    """Return a header name as browsers write it. The HTTP parser returns it in lower case."""
    return "-".join(
        "WebSocket" if part == "websocket" else part.capitalize() for part in name.lower().split("-")
    )
