"""The certificate of a custom domain, met in a real handshake."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from tests.factories import ApiGatewayFactory
from websocket_gateway.checks.messages import fact
from websocket_gateway.diagnostics.domain import probe_certificate
from websocket_gateway.models import ApiGateway


@contextmanager
def tls_server(authority: Path, *, days: float) -> Iterator[int]:
    """A server whose certificate is for 127.0.0.1 and ends in so many days; its port."""
    now = dt.datetime.now(tz=dt.timezone.utc)
    issuer = trustme.CA()
    issuer.cert_pem.write_to_path(authority)
    issued = issuer.issue_cert(
        "127.0.0.1", not_before=now - dt.timedelta(days=100), not_after=now + dt.timedelta(days=days)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_shake_hands_once, args=(listener, context))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=30)


def _shake_hands_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    opened, _address = listener.accept()
    # A client that does not trust us leaves in the middle of it.
    with opened, suppress(OSError), context.wrap_socket(opened, server_side=True) as shaken:
        shaken.recv(1)


@pytest.fixture
def gateway() -> ApiGateway:
    made: ApiGateway = ApiGatewayFactory.build(api_name="chat", domain_name="127.0.0.1")
    return made


def test_a_certificate_that_holds_for_long_is_as_it_should_be(
    gateway: ApiGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with tls_server(tmp_path / "authority.pem", days=60.5) as port:
        answer = probe_certificate(gateway, port=port)

    assert answer == [fact("gateway chat: the certificate of 127.0.0.1 is valid for 60 days")]


def test_a_certificate_that_ends_soon_is_a_finding(
    gateway: ApiGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with tls_server(tmp_path / "authority.pem", days=7.3) as port:
        (finding,) = probe_certificate(gateway, port=port)

    assert (finding.id, finding.msg) == (
        "websocket_gateway.W114",
        "The certificate of 127.0.0.1 is valid for only 7 days.",
    )


def test_an_expired_certificate_is_a_finding(
    gateway: ApiGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with tls_server(tmp_path / "authority.pem", days=-1) as port:
        (finding,) = probe_certificate(gateway, port=port)

    assert finding.id == "websocket_gateway.E117"
    assert "expired" in finding.msg


def test_a_certificate_that_nobody_trusts_is_a_finding(gateway: ApiGateway, tmp_path: Path) -> None:
    with tls_server(tmp_path / "authority.pem", days=90) as port:
        (finding,) = probe_certificate(gateway, port=port)

    assert finding.id == "websocket_gateway.E117"


def test_a_domain_that_does_not_answer_is_a_finding(gateway: ApiGateway) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    (finding,) = probe_certificate(gateway, port=port)

    assert finding.id == "websocket_gateway.E118"
