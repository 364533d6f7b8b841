"""The admin: read and edit rows, and act on the gateways and sockets that they describe.

Each module registers the models of its subject. Every action is a POST that requires a Django permission. It
is written to Django's admin log and to the logger `websocket_gateway.admin`. Errors of AWS become messages.
"""

from __future__ import annotations

from websocket_gateway.admin import broadcasts, cursors, gateways, histories, security, sessions

__all__ = ["broadcasts", "cursors", "gateways", "histories", "security", "sessions"]
