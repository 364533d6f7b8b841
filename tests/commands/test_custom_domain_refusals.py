"""Custom domains that cannot be: whose certificate, name, zone or owner is not the right one."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from tests.commands.domains import CREATE, DOMAIN
from tests.support.commands import run
from tests.support.moto import Moto
from websocket_gateway.local.options import Call
from websocket_gateway.models import ApiGateway
from websocket_gateway.resources import INSTALLATION_TAG, UUID_TAG
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("moto")]


def refuse(*options: str) -> str:
    ended = run(*CREATE, *options)
    assert ended.status == 1, ended
    assert "Traceback" not in ended.stderr
    assert not ApiGateway.objects.exists()
    return ended.stderr


def test_a_certificate_of_another_region_is_refused(aws: Any) -> None:
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/0"

    message = refuse("--domain", DOMAIN, "--certificate-arn", arn)

    assert "is in us-east-1, and the gateway in eu-west-1" in message


def test_a_certificate_that_is_not_issued_is_refused(aws: Any, moto: Moto) -> None:
    arn = moto.request_certificate(DOMAIN)

    message = refuse("--domain", DOMAIN, "--certificate-arn", arn)

    assert "is PENDING_VALIDATION, not ISSUED: create the CNAME record that ACM shows for it" in message


def test_a_certificate_for_other_names_is_refused(aws: Any, moto: Moto) -> None:
    arn = moto.import_certificate("www.example.com")

    assert f"covers www.example.com and not {DOMAIN}" in refuse("--domain", DOMAIN, "--certificate-arn", arn)


def test_a_certificate_that_does_not_exist_is_refused(aws: Any, moto: Moto) -> None:
    arn = moto.import_certificate(DOMAIN)
    moto.acm.delete_certificate(CertificateArn=arn)

    assert "does not exist in this account" in refuse("--domain", DOMAIN, "--certificate-arn", arn)


def test_without_a_fitting_certificate_it_says_how_to_request_one(aws: Any, moto: Moto) -> None:
    message = refuse("--domain", DOMAIN)

    assert "aws acm request-certificate --region eu-west-1 --domain-name ws.example.com" in message


def test_with_several_fitting_certificates_one_must_be_chosen(aws: Any, moto: Moto) -> None:
    one, other = (moto.import_certificate("*.example.com") for _ in range(2))

    message = refuse("--domain", DOMAIN)

    assert "2 certificates cover ws.example.com" in message
    assert one in message
    assert other in message


@pytest.mark.parametrize("value", ["WS.example.com", "localhost", "a b.example.com", "-x.example.com"])
def test_what_is_no_domain_name_is_a_usage_error(value: str) -> None:
    ended = run(*CREATE, f"--domain={value}")

    assert "argument --domain" in ended.stderr
    assert "is not a domain name" in ended.stderr


def test_a_hosted_zone_of_another_domain_is_refused(aws: Any, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)
    zone = moto.create_zone("example.org")

    message = refuse("--domain", DOMAIN, "--hosted-zone-id", zone)

    assert f"hosted zone {zone} is example.org, which does not hold {DOMAIN}" in message


def test_a_hosted_zone_that_does_not_exist_is_refused(aws: Any, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)

    assert "does not exist in this account" in refuse("--domain", DOMAIN, "--hosted-zone-id", "Z0")


def test_a_domain_that_leads_to_somebody_elses_api_is_refused(aws: Any, moto: Moto) -> None:
    arn = moto.import_certificate(DOMAIN)
    other = aws.create_api(Name="other", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.a")
    aws.create_stage(ApiId=other["ApiId"], StageName="live")
    configuration = {"CertificateArn": arn, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    aws.create_domain_name(DomainName=DOMAIN, DomainNameConfigurations=[configuration])
    aws.create_api_mapping(DomainName=DOMAIN, ApiId=other["ApiId"], Stage="live")

    message = refuse("--domain", DOMAIN)

    assert f"ws.example.com/ leads to API {other['ApiId']} already" in message
    assert [item["ApiId"] for item in aws.get_apis()["Items"]] == [other["ApiId"]]


def test_a_domain_of_another_installation_is_left_alone(aws: Any, moto: Moto) -> None:
    arn = moto.import_certificate(DOMAIN)
    configuration = {"CertificateArn": arn, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    aws.create_domain_name(
        DomainName=DOMAIN,
        DomainNameConfigurations=[configuration],
        Tags={UUID_TAG: "0" * 36, INSTALLATION_TAG: "0" * 16},
    )

    assert "belongs to another installation" in refuse("--domain", DOMAIN)


def test_a_record_of_somebodys_own_is_left_alone(aws: Any, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)
    zone = moto.create_zone("example.com")
    entry = {"Name": DOMAIN, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    moto.route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": entry}]}
    )

    message = refuse("--domain", DOMAIN, "--hosted-zone-id", zone)

    assert "DNS has a record A ws.example.com already, which leads to 192.0.2.1" in message


def test_the_quota_of_one_domain_in_thirty_seconds_is_waited_out(
    aws: Any, moto: Moto, django_local_gateway: GatewayHandle
) -> None:
    moto.import_certificate(DOMAIN)
    faults = django_local_gateway.faults
    faults.control_errors = {"CreateDomainName": (429, "TooManyRequestsException")}

    def relent(call: Call) -> None:
        if call.operation == "CreateDomainName" and call.phase == "replied":
            faults.control_errors = {}

    faults.on_call = relent
    done = run(*CREATE, "--domain", DOMAIN)

    assert done.status == 0, done
    assert "AWS limits the rate of CreateDomainName; trying again in" in done.stderr


def test_expired_is_said_with_the_day(aws: Any) -> None:
    from websocket_gateway.provisioning.certificates import problem_of
    from websocket_gateway.resources import Certificate

    certificate = Certificate(
        arn="a", status="ISSUED", names=(DOMAIN,), not_after=datetime(2020, 1, 2, tzinfo=timezone.utc)
    )

    assert problem_of(certificate, DOMAIN) == "expired on 2020-01-02: request a new one"
