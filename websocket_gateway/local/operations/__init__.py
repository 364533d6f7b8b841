"""What each control plane operation does: one function an operation, found in `OPERATIONS` by name."""

from __future__ import annotations

from collections.abc import Callable

from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations import apis, deployments, domains, integrations, routes, stages, tags
from websocket_gateway.local.store import Store

Handler = Callable[[Store, Wire, Wire], Wire]

OPERATIONS: dict[str, Handler] = {
    **apis.OPERATIONS,
    **integrations.OPERATIONS,
    **routes.OPERATIONS,
    **deployments.OPERATIONS,
    **stages.OPERATIONS,
    **domains.OPERATIONS,
    **tags.OPERATIONS,
}
"""`(store, parameters of path and query, body) -> answer`, all in wire form."""
