"""Fixtures that the tests of purging share."""

from __future__ import annotations

from tests.sink import gateway_fixture, sink_fixture
from tests.support.connections import heard_fixture, service_fixture

__all__ = ["gateway_fixture", "heard_fixture", "service_fixture", "sink_fixture"]
