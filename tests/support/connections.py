"""Fixtures: an AWS that is asked about connections, and what receivers are told of gone ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from websocket_gateway.signals import connection_gone
from websocket_gateway.testing.connections import FakeConnections, record_connections


@pytest.fixture(name="service")
def service_fixture() -> Iterator[FakeConnections]:
    """AWS, as far as it is asked about connections."""
    with record_connections() as fake:
        yield fake


@pytest.fixture(name="heard")
def heard_fixture() -> Iterator[list[str]]:
    """The connection ids that receivers were told of as gone."""
    ids: list[str] = []

    def listen(connection_ids: tuple[str, ...], **kwargs: Any) -> None:
        ids.extend(connection_ids)

    connection_gone.connect(listen)
    yield ids
    connection_gone.disconnect(listen)
