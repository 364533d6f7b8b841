"""The admin: rows can be read and edited, and what they stand for can be acted on.

Each module registers what it is about. Every deed is a POST behind a Django permission, ends in Django's own
admin log and in the logger `websocket_gateway.admin`, and turns what AWS refuses into a message.
"""

from __future__ import annotations

from websocket_gateway.admin import broadcasts, gateways, security, sessions

__all__ = ["broadcasts", "gateways", "security", "sessions"]
