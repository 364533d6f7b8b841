"""The custom domain that these tests give a gateway."""

from __future__ import annotations

DOMAIN = "ws.example.com"
CREATE = ("create_gateway", "chat", "--target", "https://www.example.com/ws/")
