"""Fixtures that the tests of purging share."""

from __future__ import annotations

from tests.sink import gateway_fixture, sink_fixture
from tests.support.connections import heard_fixture, service_fixture
from tests.support.queues.stopped import enqueued_fixture

__all__ = ["enqueued_fixture", "gateway_fixture", "heard_fixture", "service_fixture", "sink_fixture"]
