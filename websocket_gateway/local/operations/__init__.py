"""The operations of the control plane: one function per operation, found in `OPERATIONS` by name."""

from __future__ import annotations

from collections.abc import Callable

from websocket_gateway.local.model import Wire
from websocket_gateway.local.operations import apis, deployments, domains, integrations, routes, stages
from websocket_gateway.local.store import Store

Handler = Callable[[Store, Wire, Wire], Wire]

OPERATIONS: dict[str, Handler] = {
    **apis.OPERATIONS,
    **integrations.OPERATIONS,
    **routes.OPERATIONS,
    **deployments.OPERATIONS,
    **stages.OPERATIONS,
    **domains.OPERATIONS,
}
"""`(store, parameters of path and query, body) -> response body`, all in wire form."""
