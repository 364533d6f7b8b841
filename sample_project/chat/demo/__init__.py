"""Parts of the command `demo`: child processes and WebSocket clients."""

from __future__ import annotations
