"""Fixtures that the tests of channels share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from tests.sink import gateway_fixture, sink_fixture
from tests.support.journal import write_ahead_log_fixture

__all__ = ["gateway_fixture", "sink_fixture", "write_ahead_log_fixture"]

CHANNELS = {"orders_*": {"HISTORY_MESSAGES": 1000}, "short": {"HISTORY_MESSAGES": 3}}


@pytest.fixture
def history() -> Iterator[None]:
    """Channels `orders_*` with a long history, and `short` with one of three messages."""
    with override_settings(WEBSOCKET_GATEWAY={"CHANNELS": CHANNELS}):
        yield
