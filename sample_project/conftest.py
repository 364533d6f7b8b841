"""The sample's tests: `python -m pytest sample_project`."""

from __future__ import annotations

pytest_plugins = ["websocket_gateway.testing.fixtures"]
