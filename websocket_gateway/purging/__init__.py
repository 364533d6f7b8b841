"""Purging, for cron: end dead connections, and delete old rows.

Each batch of primary keys is a short statement of its own. So two runs can overlap, a run can be killed at
any point, and the next run continues.
"""

from __future__ import annotations

from websocket_gateway.purging.report import Part, PurgeReport
from websocket_gateway.purging.run import count_purgeable, purge

__all__ = ["Part", "PurgeReport", "count_purgeable", "purge"]
