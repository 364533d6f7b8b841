"""Both engines as their tests run them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone

import pytest

from tests.support.rawsink import OK, Reply, status_line
from websocket_gateway.aws.connections import AwsConnections
from websocket_gateway.aws.credentials import Credentials
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.asyncio_loop import AsyncioEngine
from websocket_gateway.aws.engines.base import Engine, Limits, Outcome, Recipient, Status
from websocket_gateway.aws.engines.boto3_threads import Boto3Engine
from websocket_gateway.aws.engines.dialing import ca_bundle

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
KEYS = Credentials("AKID", "secret")
FAST = Limits(concurrency=8, max_per_second=0, timeout_seconds=2, deadline_seconds=20)


def make_engine(name: str, *, limits: Limits = FAST, bundle: str = "") -> Engine:
    if name == "asyncio":
        return AsyncioEngine(limits=limits, ca_bundle=bundle or ca_bundle(), credentials=lambda: KEYS)
    return Boto3Engine(connections=AwsConnections(), limits=limits)


def recipients(endpoint: ManagementEndpoint, *names: str) -> list[Recipient]:
    return [Recipient(endpoint, name, NOW) for name in names]


def send_all(engine: Engine, *pages: list[Recipient], data: bytes = b"{}") -> list[Outcome]:
    outcomes: list[Outcome] = []
    try:
        for page in pages:
            outcomes.extend(engine.send(page, data))
        outcomes.extend(engine.drain())
    finally:
        outcomes.extend(engine.stop())
    return outcomes


def statuses(outcomes: list[Outcome]) -> Counter[Status]:
    return Counter(outcome.status for outcome in outcomes)


ANSWERS = [
    pytest.param(Reply(), Status.DELIVERED, id="length"),
    pytest.param(Reply(raw=status_line(204)), Status.DELIVERED, id="no content"),
    pytest.param(Reply(raw=status_line(200, body=b"x" * 200_000)), Status.DELIVERED, id="a long body"),
    pytest.param(Reply(pieces=True), Status.DELIVERED, id="a byte at a time"),
    pytest.param(
        Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        Status.DELIVERED,
        id="chunked",
    ),
    pytest.param(
        Reply(raw=b"HTTP/1.1 200 OK\r\n\r\nto the end", then="close"), Status.DELIVERED, id="closed"
    ),
    pytest.param(
        Reply(raw=b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", then="close"),
        Status.DELIVERED,
        id="connection: close",
    ),
    pytest.param(
        Reply(raw=b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", then="close"), Status.DELIVERED, id="1.0"
    ),
    pytest.param(Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" + OK), Status.DELIVERED, id="1xx before"),
    pytest.param(Reply(raw=status_line(410, "GoneException")), Status.GONE, id="gone"),
    pytest.param(Reply(raw=status_line(410)), Status.GONE, id="gone by status"),
    pytest.param(Reply(raw=status_line(400, "GoneException")), Status.GONE, id="gone by code"),
    pytest.param(
        Reply(raw=status_line(413, "PayloadTooLargeException")), Status.FAILED, id="payload too large"
    ),
    pytest.param(Reply(raw=status_line(400, "BadRequestException")), Status.FAILED, id="bad request"),
    pytest.param(Reply(raw=status_line(403, "ForbiddenException")), Status.FAILED, id="forbidden"),
    pytest.param(Reply(raw=status_line(418)), Status.FAILED, id="unheard of"),
    pytest.param(Reply(raw=status_line(301)), Status.FAILED, id="redirect"),
]
