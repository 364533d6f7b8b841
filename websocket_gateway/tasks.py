"""The tasks under the names that jobs in a queue hold since before the tasks moved beside what they do."""

from __future__ import annotations

from websocket_gateway.provisioning.tasks import apply_plan
from websocket_gateway.sending.tasks import work_on_broadcast

__all__ = ["apply_plan", "work_on_broadcast"]
