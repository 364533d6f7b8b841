"""boto3's own client against a real server, through our adapter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sink import Sink, running_sink
from websocket_gateway import exceptions as errors
from websocket_gateway.aws.connections import AwsConnections, get_connections, use_connections
from websocket_gateway.aws.endpoints import ManagementEndpoint


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running_sink() as server:
        yield server


@pytest.fixture
def endpoint(sink: Sink) -> ManagementEndpoint:
    return ManagementEndpoint(url=f"http://127.0.0.1:{sink.port}/_api/abc/production", region="eu-west-1")


def test_post_sends_the_bytes_and_encodes_the_id_once(sink: Sink, endpoint: ManagementEndpoint) -> None:
    AwsConnections().post(endpoint, "aB+/c_-=", b'{"a":"\xc3\xa9"}')

    assert sink.requests == [("POST", "/_api/abc/production/@connections/aB%2B%2Fc_-%3D")]
    assert sink.received["aB+/c_-="] == [b'{"a":"\xc3\xa9"}']


def test_get_returns_if_the_connection_is_open(sink: Sink, endpoint: ManagementEndpoint) -> None:
    AwsConnections().get(endpoint, "abc=")

    assert sink.requests == [("GET", "/_api/abc/production/@connections/abc%3D")]


def test_delete_closes_the_connection(sink: Sink, endpoint: ManagementEndpoint) -> None:
    AwsConnections().delete(endpoint, "abc=")

    assert sink.requests == [("DELETE", "/_api/abc/production/@connections/abc%3D")]


@pytest.mark.parametrize("named", [True, False], ids=["by-code", "by-status-alone"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, errors.InvalidRequestError),
        (403, errors.AccessDeniedError),
        (410, errors.ConnectionGoneError),
        (413, errors.PayloadTooLargeError),
        (429, errors.ThrottledError),
        (500, errors.ServiceError),
        (418, errors.ServiceError),
    ],
)
def test_every_answer_is_one_of_our_errors_after_one_attempt(
    sink: Sink,
    endpoint: ManagementEndpoint,
    status: int,
    expected: type[errors.AWSError],
    named: bool,
) -> None:
    sink.answers["abc="] = status
    sink.named_errors = named

    with pytest.raises(expected) as caught:
        AwsConnections().post(endpoint, "abc=", b"{}")

    assert type(caught.value) is expected
    assert caught.value.operation == "PostToConnection"
    assert len(sink.requests) == 1


@pytest.mark.parametrize("method", ["get", "delete"])
def test_a_gone_connection_is_told_apart_when_asked_about_or_closed(
    sink: Sink, endpoint: ManagementEndpoint, method: str
) -> None:
    sink.answers["abc="] = 410

    with pytest.raises(errors.ConnectionGoneError):
        getattr(AwsConnections(), method)(endpoint, "abc=")


def test_an_empty_id_is_refused_before_any_call(sink: Sink, endpoint: ManagementEndpoint) -> None:
    connections = AwsConnections()

    for method, rest in (("post", (b"{}",)), ("get", ()), ("delete", ())):
        with pytest.raises(errors.InvalidRequestError, match="the connection id is empty"):
            getattr(connections, method)(endpoint, "", *rest)

    assert sink.requests == []


def test_an_endpoint_where_nobody_listens_is_unreachable() -> None:
    with running_sink() as closed:
        endpoint = ManagementEndpoint(url=f"http://127.0.0.1:{closed.port}/x", region="eu-west-1")

    with pytest.raises(errors.EndpointUnreachableError, match="no response"):
        AwsConnections().post(endpoint, "abc=", b"{}")


def test_a_server_that_does_not_answer_costs_the_configured_seconds(
    sink: Sink, endpoint: ManagementEndpoint, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {"SEND_TIMEOUT_SECONDS": 1}
    sink.delay_seconds = 1.5

    with pytest.raises(errors.EndpointUnreachableError):
        AwsConnections().post(endpoint, "abc=", b"{}")


def test_without_credentials_nothing_is_sent(
    sink: Sink, endpoint: ManagementEndpoint, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {}
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(errors.MissingCredentialsError):
        AwsConnections().post(endpoint, "abc=", b"{}")

    assert sink.requests == []


def test_the_adapter_in_use_can_be_swapped_and_comes_back() -> None:
    before = get_connections()
    other = AwsConnections()

    with use_connections(other) as used:
        assert used is other
        assert get_connections() is other

    assert get_connections() is before
