"""API Gateway on one loopback port, for development, demos and tests. It is not a production server.

Only the command `run_local_gateway` and `websocket_gateway.testing` import this package.
"""

from __future__ import annotations
