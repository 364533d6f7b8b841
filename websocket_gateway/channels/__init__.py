"""Channels: who may join them, and what their history keeps."""

from __future__ import annotations

from websocket_gateway.channels import history, inbox, presence
from websocket_gateway.channels.rules import find_channel_permission, is_admitted, may_join

__all__ = ["find_channel_permission", "history", "inbox", "is_admitted", "may_join", "presence"]
