"""Both engines over TLS, with certificates that may be trusted and others."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.aws.engines.engines import ANSWERS, make_engine, recipients, send_all, statuses
from tests.support.rawsink import RawSink, Reply, running_raw_sink
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Limits, Status
from websocket_gateway.aws.engines.dialing import ca_bundle
from websocket_gateway.no_fork import no_fork


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure_sink(authority: trustme.CA) -> Iterator[RawSink]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with running_raw_sink(tls=context) as server:
        yield server


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    forget_clients()
    return str(path)


@pytest.mark.parametrize(("reply", "status"), ANSWERS)
def test_any_framing_is_read_over_tls(
    secure_sink: RawSink, bundle: str, reply: Reply, status: Status
) -> None:
    secure_sink.answer = lambda connection_id, number: reply
    names = [f"c{number}=" for number in range(10)]

    outcomes = send_all(
        make_engine("asyncio", bundle=ca_bundle()),
        recipients(secure_sink.endpoint, *names),
        data=b"x" * 131_072,
    )

    assert statuses(outcomes) == {status: 10}
    assert {len(body) for _, body in secure_sink.requests} == {131_072}


def test_the_authority_that_boto3_trusts_is_trusted(
    secure_sink: RawSink, bundle: str, engine_name: str
) -> None:
    engine = make_engine(engine_name, bundle=ca_bundle())

    outcomes = send_all(engine, recipients(secure_sink.endpoint, "a=", "b="))

    assert ca_bundle() == bundle
    assert statuses(outcomes) == {Status.DELIVERED: 2}


def test_an_untrusted_certificate_fails_everybody_with_the_reason(
    secure_sink: RawSink, engine_name: str
) -> None:
    names = [f"c{number}=" for number in range(30)]

    outcomes = send_all(make_engine(engine_name), recipients(secure_sink.endpoint, *names))

    assert statuses(outcomes) == {Status.FAILED: 30}
    assert secure_sink.requests == []
    if engine_name == "asyncio":
        assert "is not trusted" in outcomes[0].reason
        assert "AWS_CA_BUNDLE" in outcomes[0].reason


def test_a_certificate_for_another_name_is_refused(authority: trustme.CA, bundle: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with running_raw_sink(tls=context) as server:
        outcomes = send_all(make_engine("asyncio", bundle=bundle), recipients(server.endpoint, "a="))

    assert statuses(outcomes) == {Status.FAILED: 1}
    assert "is not trusted" in outcomes[0].reason


def test_a_server_that_speaks_no_tls_fails_with_the_reason(sink: RawSink) -> None:
    endpoint = ManagementEndpoint(sink.endpoint.url.replace("http:", "https:"), "eu-west-1")
    limits = Limits(concurrency=4, max_per_second=0, timeout_seconds=1, deadline_seconds=10)

    outcomes = send_all(make_engine("asyncio", limits=limits), recipients(endpoint, "a="))

    assert statuses(outcomes) == {Status.FAILED: 1}
    assert outcomes[0].reason == f"no answer from {endpoint.url}"


def test_many_runs_leave_no_thread_and_no_socket(sink: RawSink) -> None:
    before = threading.active_count()

    for number in range(10):
        send_all(make_engine("asyncio"), recipients(sink.endpoint, f"c{number}="))

    until = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before


@pytest.mark.parametrize("name", ["asyncio", "boto3"])
def test_a_fork_waits_for_handshakes_and_for_what_is_read_over_tls(
    name: str, secure_sink: RawSink, bundle: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[tuple[str, bool]] = []

    def watch(kind: type[ssl.SSLObject] | type[ssl.SSLSocket], method: str) -> None:
        real: Callable[..., Any] = getattr(kind, method)

        def call(self: ssl.SSLObject | ssl.SSLSocket, *arguments: Any) -> Any:
            if not self.server_side:
                used.append((method, threading.get_ident() in no_fork._inside()))
            return real(self, *arguments)

        monkeypatch.setattr(kind, method, call)

    for kind in (ssl.SSLObject, ssl.SSLSocket):
        watch(kind, "do_handshake")
        watch(kind, "read")
    forget_clients()
    outcomes = send_all(make_engine(name, bundle=ca_bundle()), recipients(secure_sink.endpoint, "a=", "b="))

    assert statuses(outcomes) == {Status.DELIVERED: 2}
    assert set(used) == {("do_handshake", True), ("read", True)}
