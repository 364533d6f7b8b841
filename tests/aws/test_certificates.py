"""Certificates as ACM answers them."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import boto3
from botocore.stub import Stubber

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


def test_certificates_are_listed_whatever_their_key() -> None:
    # moto does not filter; AWS lists only RSA_1024 and RSA_2048 where no key type is asked for.
    client = boto3.client("acm", region_name=REGION)
    model: Any = client.meta.service_model
    every = model.shape_for("KeyAlgorithm").enum
    answer = {
        "CertificateSummaryList": [{"CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/ec"}]
    }
    with Stubber(client) as stubber:
        asked = {"CertificateStatuses": ["ISSUED"], "Includes": {"keyTypes": every}}
        stubber.add_response("list_certificates", answer, asked)

        found = list(Certificates(region=REGION, client=client).issued())

    assert found == ["arn:aws:acm:eu-west-1:123456789012:certificate/ec"]


def test_certificates_of_another_region_are_not_listed(moto: Moto) -> None:
    moto.import_certificate("ws.example.com")

    elsewhere = Certificates(region="us-east-1", client=certificates_client("us-east-1"))

    assert list(elsewhere.issued()) == []
