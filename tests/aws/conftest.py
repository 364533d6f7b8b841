"""A pretended account beside API Gateway, for the adapters of ACM and Route 53."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.moto import Moto, running_moto
from websocket_gateway.aws.session import forget_clients


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    """One server for the whole session, on a free port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("MOTO_ACM_VALIDATION_WAIT", "3600")
        with running_moto() as moto:
            yield moto


@pytest.fixture
def moto(moto_server: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moto]:
    """The server without certificates, and our own clients talking to it."""
    for service in ("ACM", "ROUTE_53", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto_server.url)
    for item in moto_server.acm.list_certificates()["CertificateSummaryList"]:
        moto_server.acm.delete_certificate(CertificateArn=item["CertificateArn"])
    forget_clients()
    yield moto_server
    forget_clients()
