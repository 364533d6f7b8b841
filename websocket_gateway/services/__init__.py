"""One function for each deed of the toolkit. Services never print and never parse arguments.

Where to look:

* Gateways in AWS: `gateways` plans and applies, `deleting` takes down, `confirming` applies what a web page
  showed. `preparing`, `adopting`, `importing`, `choices`: what the row becomes first. `wanted`, `routes`,
  `declared`, `domains`: what is wanted. `observing`: what AWS has. `applying`, `deeds`, `recording`,
  `saving`: what is done, and what the row keeps of it. `leases`, `renewing`: one process at a time.
* Connections: `connections`, `tokens`, `limits`, `channels`, `deduplication`: what the views ask at an event.
  `clients`: what a browser must know. `verifying`, `disconnecting`: what the admin does to a few.
  `gateway_sessions`: those of a gateway that goes. `purging`: what cron does to all.
* Sending: `broadcasting`, and `asynchronous` for `async def`. `messages`, `recipients`, `streams`,
  `endpoints`: what, to whom and where. `delivery`, `reports`: how it goes out, and what became of it.
* Sending by a task queue: `runs` begins and resumes, `working` and `shards` do it, `summaries` tells how far
  it is. `background`: the queue itself.
* Looking: `overview` for the admin, `diagnostics` for `check_ws_settings`.
* `contention`: single statements on a busy database. `legacy`: what another package left in its tables.
"""

from __future__ import annotations
