"""What the tests of the services share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sink import gateway_fixture, sink_fixture
from websocket_gateway.signals import connection_gone
from websocket_gateway.testing.connections import FakeConnections, record_connections

__all__ = ["gateway_fixture", "sink_fixture"]


@pytest.fixture
def service() -> Iterator[FakeConnections]:
    """AWS, as far as it is asked about connections."""
    with record_connections() as fake:
        yield fake


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The connection ids that receivers were told of as gone."""
    ids: list[str] = []

    def listen(connection_ids: tuple[str, ...], **kwargs: Any) -> None:
        ids.extend(connection_ids)

    connection_gone.connect(listen)
    yield ids
    connection_gone.disconnect(listen)
