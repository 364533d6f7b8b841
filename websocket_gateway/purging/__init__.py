"""What cron does: end the connections that must be dead, delete the rows that nobody needs any more.

Everything goes in short statements of their own, a batch of primary keys at a time. So two runs
may overlap, a run may be killed at any point, and the next one simply goes on.
"""

from __future__ import annotations

from websocket_gateway.purging.report import Part, PurgeReport
from websocket_gateway.purging.run import count_purgeable, purge

__all__ = ["Part", "PurgeReport", "count_purgeable", "purge"]
