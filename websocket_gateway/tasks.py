"""The tasks under their former names, which queued jobs may still hold."""

from __future__ import annotations

from websocket_gateway.provisioning.tasks import apply_plan
from websocket_gateway.sending.tasks import work_on_broadcast

__all__ = ["apply_plan", "work_on_broadcast"]
