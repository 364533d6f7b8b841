"""The task that applies a plan in the project's task queue."""

from __future__ import annotations

from websocket_gateway.provisioning.confirming import provision_confirmed
from websocket_gateway.task_queue import define


@define
def apply_plan(gateway_pk: int, fingerprint: str, prune: bool, import_changes: bool = False) -> None:
    """Apply the plan that was confirmed in the admin; the gateway's row keeps how it ended.

    Jobs that an earlier version has queued have no fourth argument.
    """
    provision_confirmed(gateway_pk, fingerprint=fingerprint, prune=prune, import_changes=import_changes)
