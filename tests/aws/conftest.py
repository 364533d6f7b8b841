"""What the tests of the boto3 layer share: a pretended account beside API Gateway, both engines."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.aws.engines.engines import FAST
from tests.support.moto import moto_fixture, moto_server_fixture
from tests.support.rawsink import RawSink, running_raw_sink

__all__ = ["moto_fixture", "moto_server_fixture"]


@pytest.fixture
def sink() -> Iterator[RawSink]:
    """A server whose answers a test writes byte by byte."""
    with running_raw_sink() as server:
        yield server


@pytest.fixture(params=["asyncio", "boto3"])
def engine_name(request: pytest.FixtureRequest, settings: object) -> str:
    """Each engine in turn."""
    settings.WEBSOCKET_GATEWAY = {"SEND_TIMEOUT_SECONDS": FAST.timeout_seconds}  # type: ignore[attr-defined]
    return str(request.param)
