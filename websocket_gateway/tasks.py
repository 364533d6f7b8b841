"""What the project's task queue runs.

Imported late, by what enqueues and by the queue's workers: a task needs its queue to be configured.
"""

from __future__ import annotations

from websocket_gateway.task_queue import define, enqueue


@define
def work_on_broadcast(run_id: int) -> None:
    """Work on a broadcast for up to 60 seconds, and have a successor go on where something is left."""
    from websocket_gateway.sending.worker import work_once

    if work_once(run_id):
        enqueue(work_on_broadcast, run_id)


@define
def apply_plan(gateway_pk: int, fingerprint: str, prune: bool) -> None:
    """Carry out the plan that somebody confirmed in the admin; how it ended stands in the gateway's row."""
    from websocket_gateway.provisioning.confirming import provision_confirmed

    provision_confirmed(gateway_pk, fingerprint=fingerprint, prune=prune)
