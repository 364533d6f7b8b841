"""The task that applies a plan in the project's task queue."""

from __future__ import annotations

from websocket_gateway.provisioning.confirming import provision_confirmed
from websocket_gateway.task_queue import define


@define
def apply_plan(gateway_pk: int, fingerprint: str, prune: bool) -> None:
    """Apply the plan that was confirmed in the admin; the gateway's row keeps how it ended."""
    provision_confirmed(gateway_pk, fingerprint=fingerprint, prune=prune)
