"""A small Django project that uses `websocket_gateway`: a chat, and notifications."""

from __future__ import annotations
