"""What most view tests share."""

from __future__ import annotations

from typing import Any

import pytest

from websocket_gateway.testing.events import DEFAULT_ORIGIN


@pytest.fixture(autouse=True)
def origin_is_allowed(settings: Any) -> None:
    """The origin that the builders send is an allowed one."""
    settings.WEBSOCKET_GATEWAY = {"ALLOWED_ORIGINS": [DEFAULT_ORIGIN]}
