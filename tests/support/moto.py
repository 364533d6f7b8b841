"""moto's server for what is beside API Gateway: certificates in ACM, hosted zones in Route 53."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import trustme
from moto.server import ThreadedMotoServer

from websocket_gateway.aws.clients import forget_clients


@dataclass(frozen=True)
class Moto:
    """A running server and boto3's own clients for it."""

    url: str
    acm: Any
    route53: Any

    def import_certificate(self, *names: str) -> str:
        """A certificate for `names` that is ISSUED; answers its ARN."""
        authority = trustme.CA()
        made = authority.issue_cert(*names, common_name=names[0])
        answer = self.acm.import_certificate(
            Certificate=made.cert_chain_pems[0].bytes(),
            PrivateKey=made.private_key_pem.bytes(),
            CertificateChain=authority.cert_pem.bytes(),
        )
        return str(answer["CertificateArn"])

    def request_certificate(self, name: str) -> str:
        """A certificate that is PENDING_VALIDATION."""
        answer = self.acm.request_certificate(DomainName=name, ValidationMethod="DNS")
        return str(answer["CertificateArn"])

    def create_zone(self, name: str) -> str:
        """A hosted zone; answers its id."""
        answer = self.route53.create_hosted_zone(Name=name, CallerReference=name)
        return str(answer["HostedZone"]["Id"]).removeprefix("/hostedzone/")

    def records(self, zone_id: str) -> dict[tuple[str, str], str]:
        """Name and type -> where it leads, without the zone's own records."""
        items = self.route53.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
        return {
            (item["Name"].rstrip("."), item["Type"]): item.get("AliasTarget", {}).get("DNSName", "")
            for item in items
            if item["Type"] not in ("NS", "SOA")
        }


@contextmanager
def running_moto(region: str = "eu-west-1") -> Iterator[Moto]:
    """A server for the length of a `with` block; the environment's AWS settings must be fake ones."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # All servers of a process share one memory, and an earlier test may have left something in it.
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()
    try:
        yield Moto(
            url=url,
            acm=boto3.client("acm", region_name=region, endpoint_url=url),
            route53=boto3.client("route53", region_name=region, endpoint_url=url),
        )
    finally:
        server.stop()


@pytest.fixture(name="moto_server", scope="session")
def moto_server_fixture() -> Iterator[Moto]:
    """One server for the whole session, on a free port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("MOTO_ACM_VALIDATION_WAIT", "3600")
        with running_moto() as moto:
            yield moto


@pytest.fixture(name="moto")
def moto_fixture(moto_server: Moto, monkeypatch: pytest.MonkeyPatch) -> Iterator[Moto]:
    """The server without certificates, and our own clients talking to it."""
    for service in ("ACM", "ROUTE_53", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto_server.url)
    for item in moto_server.acm.list_certificates()["CertificateSummaryList"]:
        moto_server.acm.delete_certificate(CertificateArn=item["CertificateArn"])
    forget_clients()
    yield moto_server
    forget_clients()
