"""Both engines where nobody listens, or where no name leads."""

from __future__ import annotations

import socket

import pytest

from tests.aws.engines.engines import make_engine, recipients, send_all, statuses
from tests.support.rawsink import RawSink
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Status


def test_an_address_where_nobody_listens_fails_with_the_reason(engine_name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = ManagementEndpoint(f"http://127.0.0.1:{port}/live", "eu-west-1")
    names = [f"c{number}=" for number in range(50)]

    outcomes = send_all(make_engine(engine_name), recipients(endpoint, *names))

    assert statuses(outcomes) == {Status.FAILED: 50}
    assert {outcome.reason for outcome in outcomes} == {f"no answer from {endpoint.url}"}


def test_a_name_that_cannot_be_resolved_fails_with_the_reason() -> None:
    endpoint = ManagementEndpoint("http://does-not-exist.invalid/live", "eu-west-1")

    outcomes = send_all(make_engine("asyncio"), recipients(endpoint, "a=", "b="))

    assert statuses(outcomes) == {Status.FAILED: 2}
    assert outcomes[0].reason == "no answer from http://does-not-exist.invalid/live"


def test_a_resolver_that_fails_once_is_asked_again(sink: RawSink, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = resolve(monkeypatch, [], ["127.0.0.1"])
    endpoint = ManagementEndpoint(f"http://gateway.example:{sink.port}/live", "eu-west-1")

    outcomes = send_all(make_engine("asyncio"), recipients(endpoint, "a="))

    assert statuses(outcomes) == {Status.DELIVERED: 1}
    assert asked == ["gateway.example"] * 2


def test_an_address_that_refuses_leaves_the_others(sink: RawSink, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve(monkeypatch, ["::1", "127.0.0.1"])
    endpoint = ManagementEndpoint(f"http://gateway.example:{sink.port}/live", "eu-west-1")

    outcomes = send_all(
        make_engine("asyncio"), recipients(endpoint, *(f"c{number}=" for number in range(50)))
    )

    assert statuses(outcomes) == {Status.DELIVERED: 50}
    assert {outcome.retries for outcome in outcomes} == {0}


def resolve(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let the resolver give these answers, one after the other (the last one stays); none is a failure."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: int, **options: int) -> list[object]:
        if host != "gateway.example":
            return [*real(host, port, *args, **options)]
        addresses = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        if not addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked
