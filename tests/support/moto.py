"""ACM and Route 53 of a pretended account: moto's own server, which boto3's endpoint variables lead to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer

from websocket_gateway.aws.session import forget_clients

REGION = "eu-west-1"


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a test can put into the account, past our own code."""

    url: str

    def client(self, service: str, region: str = REGION) -> Any:
        """boto3's own client."""
        return boto3.client(service, region_name=region, endpoint_url=self.url)

    def add_certificate(self, *names: str, region: str = REGION, days: int = 30) -> str:
        """Import an ISSUED certificate for these names, which ends in `days`; answers its ARN."""
        certificate, key = self_signed(*names, days=days)
        made = self.client("acm", region).import_certificate(Certificate=certificate, PrivateKey=key)
        return str(made["CertificateArn"])

    def request_certificate(self, name: str) -> str:
        """A certificate that nobody has validated yet; answers its ARN."""
        made = self.client("acm").request_certificate(DomainName=name, ValidationMethod="DNS")
        return str(made["CertificateArn"])

    def add_zone(self, name: str) -> str:
        """A hosted zone; answers its id."""
        made = self.client("route53").create_hosted_zone(Name=name, CallerReference=name)
        return str(made["HostedZone"]["Id"]).rpartition("/")[2]

    def records(self, zone_id: str) -> dict[tuple[str, str], Any]:
        """The zone's address records by name and type."""
        answer = self.client("route53").list_resource_record_sets(HostedZoneId=zone_id)
        return {
            (item["Name"].rstrip("."), item["Type"]): item
            for item in answer["ResourceRecordSets"]
            if item["Type"] not in ("NS", "SOA")
        }

    def reset(self) -> None:
        """Empty the account."""
        urlopen(Request(f"{self.url}/moto-api/reset", method="POST"), timeout=30).close()


def self_signed(*names: str, days: int) -> tuple[bytes, bytes]:
    """A certificate for `names` that ends in `days` (negative: ended), and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    end = datetime.now(timezone.utc) + timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(item) for item in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The URL of moto's server, on a free port, for the whole session."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def account(moto_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An empty account whose ACM, Route 53 and STS our own clients talk to."""
    for service in ("ACM", "ROUTE_53", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", moto_server)
    found = Account(url=moto_server)
    found.reset()
    forget_clients()
    yield found
    forget_clients()
