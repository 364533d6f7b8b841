"""Route selection: which route key a client's message asks for."""

from __future__ import annotations

import json
import re
from typing import Any

from websocket_gateway.local.errors import BadRequestError

DEFAULT_ROUTE = "$default"
MISSING = object()

_PLACEHOLDER = re.compile(r"\$\{request\.body\.([^{}]+)\}|\$request\.body\.([A-Za-z0-9_.\[\]'\"-]+)")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]|\[['\"]([^'\"]+)['\"]\]")


def check_expression(expression: str) -> None:
    """Refuse a selection expression that could never select anything."""
    rest = _PLACEHOLDER.sub("", expression.replace("\\$", ""))
    if "$" in rest or not expression.strip():
        raise BadRequestError(f"Invalid route selection expression specified: {expression}")


def select_route_key(expression: str, message: str, route_keys: set[str]) -> str | None:
    """The key of the route that gets the message, or `None` when no route does."""
    wanted = evaluate(expression, message)
    if wanted and not wanted.startswith("$") and wanted in route_keys:
        return wanted
    return DEFAULT_ROUTE if DEFAULT_ROUTE in route_keys else None


def evaluate(expression: str, message: str) -> str:
    """What the expression makes of the message; text that is no JSON always asks for `$default`."""
    if "\\$" not in expression and not _PLACEHOLDER.search(expression):
        return expression
    try:
        body = json.loads(message)
    except (ValueError, RecursionError):
        return DEFAULT_ROUTE
    selected = _PLACEHOLDER.sub(lambda match: as_text(find_path(body, match[1] or match[2])), expression)
    return selected.replace("\\$", "$")


def find_path(body: Any, path: str) -> Any:
    """Follow a JSON path such as `a.b[0]`; `MISSING` where it leads nowhere."""
    here = body
    for name, index, quoted in _STEP.findall(path):
        if index:
            here = here[int(index)] if isinstance(here, list) and int(index) < len(here) else MISSING
        else:
            here = here.get(name or quoted, MISSING) if isinstance(here, dict) else MISSING
        if here is MISSING:
            return MISSING
    return here


def as_text(value: Any) -> str:
    """A JSON value as API Gateway puts it into a string: strings bare, nothing for what is missing."""
    if value is MISSING or value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
