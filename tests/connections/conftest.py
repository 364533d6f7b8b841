"""Fixtures that the tests of connections share."""

from __future__ import annotations

from tests.commands.conftest import aws, chat
from tests.sink import gateway_fixture, sink_fixture
from tests.support.connections import heard_fixture, service_fixture

__all__ = ["aws", "chat", "gateway_fixture", "heard_fixture", "service_fixture", "sink_fixture"]
