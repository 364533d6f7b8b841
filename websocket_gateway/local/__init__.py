"""API Gateway on one loopback port, for development, demos and tests. No production server.

Nothing outside this package, the command `run_local_gateway` and `websocket_gateway.testing` imports it.
"""

from __future__ import annotations
