"""Routing: which API and stage a request is for, and which route a client's message selects."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import unquote

from websocket_gateway.local.errors import BadRequestError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.options import is_loopback
from websocket_gateway.local.store import DomainRecord, Store

_DEFAULT_PATH = re.compile(r"/_api/([^/]+)/([^/]+)(/.*)?")
_PLACEHOLDER = re.compile(r"\$\{request\.body\.([^{}]+)\}|\$request\.body\.([A-Za-z0-9_.\[\]'\"-]+)")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")
CONNECTIONS_PATH = "/@connections/"
DEFAULT_ROUTE = "$default"
MISSING = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A stage, the deployment it serves, and the rest of the path."""

    api_id: str
    stage: Wire
    snapshot: Wire
    rest: str
    custom_domain: bool


def host_name(host: str) -> str:
    """Return the Host header without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0].lower()


def find_address(store: Store, host: str, raw_path: str) -> Address | None:
    """Return the deployed stage that host and path select, or `None`."""
    name = host_name(host)
    if is_loopback(name):
        match = _DEFAULT_PATH.fullmatch(raw_path)
        if match is None:
            return None
        return _address(store, unquote(match[1]), unquote(match[2]), match[3] or "/", custom_domain=False)
    domain = _find_domain(store, name)
    if domain is None:
        return None
    first, _, rest = raw_path.removeprefix("/").partition("/")
    by_key = {mapping["apiMappingKey"]: mapping for mapping in domain.mappings.values()}
    key = unquote(first)
    mapping = by_key.get(key) if key else None
    if mapping is not None:
        return _address(store, mapping["apiId"], mapping["stage"], f"/{rest}", custom_domain=True)
    if "" in by_key:
        return _address(store, by_key[""]["apiId"], by_key[""]["stage"], raw_path, custom_domain=True)
    return None


def _find_domain(store: Store, name: str) -> DomainRecord | None:
    return store.domains.get(name) or store.domains.get(f"*.{name.partition('.')[2]}")


def _address(store: Store, api_id: str, stage_name: str, rest: str, *, custom_domain: bool) -> Address | None:
    found = store.find_served(api_id, stage_name)
    if found is None:
        return None
    stage, snapshot = found
    return Address(api_id=api_id, stage=stage, snapshot=snapshot, rest=rest, custom_domain=custom_domain)


def check_expression(expression: str) -> None:
    """Raise `BadRequestError` for a selection expression that cannot select anything."""
    rest = _PLACEHOLDER.sub("", expression.replace("\\$", ""))
    if "$" in rest or not expression.strip():
        raise BadRequestError(f"Invalid route selection expression specified: {expression}")


def select_route_key(expression: str, message: str, route_keys: set[str]) -> str | None:
    """Return the key of the route that receives the message, or `None` if no route does."""
    selected = evaluate(expression, message)
    if selected and not selected.startswith("$") and selected in route_keys:
        return selected
    return DEFAULT_ROUTE if DEFAULT_ROUTE in route_keys else None


def evaluate(expression: str, message: str) -> str:
    """Evaluate the expression for a message. A text that is not JSON always selects `$default`."""
    if "\\$" not in expression and not _PLACEHOLDER.search(expression):
        return expression
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        return DEFAULT_ROUTE
    selected = _PLACEHOLDER.sub(lambda match: as_text(find_path(body, match[1] or match[2])), expression)
    return selected.replace("\\$", "$")


def find_path(body: object, path: str) -> object:
    """Return the value at a JSON path such as `a.b[0]`, or `MISSING`."""
    value = body
    for name, index, quoted in _STEP.findall(path):
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else MISSING
        else:
            value = value.get(name or quoted, MISSING) if isinstance(value, dict) else MISSING
        if value is MISSING:
            return MISSING
    return value


def as_text(value: object) -> str:
    """Return a JSON value as API Gateway writes it into a string: strings bare, a missing value empty."""
    if value is MISSING or value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
