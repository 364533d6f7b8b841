"""WebSockets for Django on AWS API Gateway, without an ASGI server and without Lambda."""

from __future__ import annotations

__version__ = "1.0.0rc1"
