"""Certificates as ACM answers them."""

from __future__ import annotations

from datetime import datetime, timezone

from tests.support.moto import Moto
from websocket_gateway.aws.certificates import Certificates
from websocket_gateway.aws.clients import certificates_client

REGION = "eu-west-1"


def certificates() -> Certificates:
    return Certificates(region=REGION, client=certificates_client(REGION))


def test_a_certificate_is_read_with_all_its_names(moto: Moto) -> None:
    arn = moto.import_certificate("www.example.com", "*.example.com")

    found = certificates().find_certificate(arn)

    assert found is not None
    assert (found.arn, found.status) == (arn, "ISSUED")
    assert found.names == ("www.example.com", "*.example.com")
    assert found.not_after is not None
    assert found.not_after > datetime.now(timezone.utc)


def test_a_certificate_that_waits_for_its_record_is_not_issued(moto: Moto) -> None:
    arn = moto.request_certificate("ws.example.com")

    found = certificates().find_certificate(arn)

    assert found is not None
    assert found.status == "PENDING_VALIDATION"


def test_a_certificate_that_is_not_there_is_none(moto: Moto) -> None:
    arn = moto.import_certificate("ws.example.com").rpartition("/")[0] + "/none"

    assert certificates().find_certificate(arn) is None


def test_only_issued_certificates_are_listed(moto: Moto) -> None:
    moto.request_certificate("pending.example.com")
    arns = {moto.import_certificate(f"n{number}.example.com") for number in range(3)}

    assert set(certificates().issued()) == arns


def test_certificates_of_another_region_are_not_listed(moto: Moto) -> None:
    moto.import_certificate("ws.example.com")

    elsewhere = Certificates(region="us-east-1", client=certificates_client("us-east-1"))

    assert list(elsewhere.issued()) == []
