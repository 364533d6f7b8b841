"""Which engine `auto` is: by the number of recipients, the proxy, and what stands in for AWS in a test."""

from __future__ import annotations

import _thread
from datetime import datetime, timezone
from typing import Any

import pytest

from websocket_gateway.aws.connections import AwsConnections, Connections
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines import FEW, open_engine
from websocket_gateway.aws.engines.base import Limits, Recipient
from websocket_gateway.exceptions import ConfigurationError
from websocket_gateway.testing import FakeConnections

ENDPOINT = ManagementEndpoint("https://abc.execute-api.eu-west-1.amazonaws.com/live", "eu-west-1")
LIMITS = Limits(concurrency=4, max_per_second=0, timeout_seconds=1, deadline_seconds=1)


def chosen(name: str, *, number: int = FEW + 1, connections: Connections | None = None) -> str:
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    page = [Recipient(ENDPOINT, f"c{n}=", now) for n in range(number)]
    engine = open_engine(name, first_page=page, connections=connections or AwsConnections(), limits=LIMITS)
    assert list(engine.stop()) == []
    return engine.name


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_many_go_by_asyncio_and_few_by_boto3() -> None:
    assert chosen("auto") == "asyncio"
    assert chosen("auto", number=FEW) == "boto3"
    assert chosen("asyncio", number=1) == "asyncio"
    assert chosen("boto3") == "boto3"


def test_a_proxy_is_boto3_s_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")

    assert chosen("auto") == "boto3"
    with pytest.raises(ConfigurationError, match="A proxy is configured for https://abc"):
        chosen("asyncio")


def test_a_host_that_needs_no_proxy_goes_by_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", ".amazonaws.com")

    assert chosen("auto") == "asyncio"


def test_what_a_test_put_in_the_place_of_aws_is_asked() -> None:
    assert chosen("auto", connections=FakeConnections()) == "boto3"


def test_where_gevent_took_the_place_of_threads_boto3_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    start = _thread.start_new_thread

    def start_greenlet(function: Any, *args: Any) -> int:
        """Stands where gevent's and eventlet's own functions stand after `monkey.patch_all()`."""
        return start(function, *args)

    monkeypatch.setattr(_thread, "start_new_thread", start_greenlet)

    assert chosen("auto") == "boto3"
    with pytest.raises(ConfigurationError, match="gevent or eventlet"):
        chosen("asyncio")
