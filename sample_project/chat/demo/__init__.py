"""What the `demo` command is made of: child processes, and WebSocket clients."""

from __future__ import annotations
