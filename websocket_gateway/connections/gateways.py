"""Gateways by name, for commands and diagnostics."""

from __future__ import annotations

from websocket_gateway.exceptions import GatewayNotFoundError
from websocket_gateway.models import ApiGateway


def find_gateway(name: str | None = None) -> ApiGateway:
    """The row called `name`; without a name, the only one there is.

    Raises `GatewayNotFoundError` naming the rows that exist.
    """
    rows = ApiGateway.objects.all() if name is None else ApiGateway.objects.filter(api_name=name)
    found = list(rows[:2])
    if len(found) == 1:
        return found[0]
    names = list(ApiGateway.objects.values_list("api_name", flat=True)[:20])
    known = f"There is: {', '.join(map(repr, names))}." if names else "There is none yet."
    problem = "Which gateway? Give its NAME." if name is None else f"There is no gateway {name!r}."
    raise GatewayNotFoundError(f"{problem} {known}")
