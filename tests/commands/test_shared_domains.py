"""A domain that several gateways use, or that somebody changed by hand: one owner, and no change for ever."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.domains import CREATE, DOMAIN
from tests.commands.test_other_mappings import succeed
from tests.support.commands import Ended, run
from tests.support.moto import Moto
from websocket_gateway.exceptions import PlanOutdatedError
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.deleting import delete_gateway
from websocket_gateway.provisioning.steps import domains as steps
from websocket_gateway.resources import INSTALLATION_TAG, OPTIONS_TAG, TAGS_TAG, UUID_TAG
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("moto")]

NEWS = ("create_gateway", "news", "--target", "https://www.example.com/news/")
ARN = f"arn:aws:apigateway:eu-west-1::/domainnames/{DOMAIN}"


def configure(settings: Any, **options: dict[str, Any]) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "GATEWAYS": options}


def domain(aws: Any) -> dict[str, Any]:
    found = aws.get_domain_name(DomainName=DOMAIN)
    return {**found["DomainNameConfigurations"][0], "Tags": found["Tags"]}


def record(**changes: Any) -> dict[str, Any]:
    row = ApiGateway.objects.get(api_name="chat")
    alias = {
        "HostedZoneId": "ZLOCALGATEWAY00",
        "DNSName": row.api_gateway_domain_name,
        "EvaluateTargetHealth": False,
    }
    return {"Name": DOMAIN, "Type": "A", "AliasTarget": alias, **changes}


def change(moto: Moto, zone: str, action: str, entry: dict[str, Any]) -> None:
    changes = [{"Action": action, "ResourceRecordSet": entry}]
    moto.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})


def share(aws: Any, moto: Moto) -> None:
    """`chat` makes the domain, `news` uses it too."""
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN, "--mapping-key", "chat")
    succeed(*NEWS, "--domain", DOMAIN, "--mapping-key", "news")


def test_the_tags_are_those_of_the_gateway_that_made_it(aws: Any, moto: Moto, settings: Any) -> None:
    configure(settings, chat={"TAGS": {"team": "web"}, "IP_ADDRESS_TYPE": "dualstack"})
    share(aws, moto)
    before = domain(aws)["Tags"]

    checked = run("sync_routes", "--check")
    succeed("sync_routes")

    assert set(before) == {"team", TAGS_TAG, OPTIONS_TAG, UUID_TAG, INSTALLATION_TAG}
    assert checked.status == 0, checked
    assert domain(aws)["Tags"] == before


def test_certificate_and_addresses_are_those_of_the_gateway_that_made_it(
    aws: Any, moto: Moto, settings: Any
) -> None:
    configure(settings, chat={"IP_ADDRESS_TYPE": "ipv4"}, news={"IP_ADDRESS_TYPE": "dualstack"})
    share(aws, moto)
    before = domain(aws)
    ApiGateway.objects.filter(api_name="news").update(certificate_arn=moto.import_certificate(DOMAIN))

    checked = run("sync_routes", "--check")
    succeed("sync_routes")

    assert checked.status == 0, checked
    assert (
        f"domain {DOMAIN} is gateway chat's, which decides its certificate_arn and ip_address_type"
        in checked.stderr
    )
    assert domain(aws) == before


def test_an_address_type_that_nothing_configures_is_a_note(aws: Any, moto: Moto, zone: str) -> None:
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN, "--hosted-zone-id", zone)
    present = {"CertificateArn": domain(aws)["CertificateArn"], "IpAddressType": "dualstack"}
    aws.update_domain_name(DomainName=DOMAIN, DomainNameConfigurations=[present])
    for _ in range(2):
        aws.get_domain_name(DomainName=DOMAIN)

    succeed("sync_routes")
    report = json.loads(succeed("sync_routes", "--check", "--format", "json").stdout)

    assert [(item["kind"], item["name"], item["value"]) for item in report["gateways"][0]["unmanaged"]] == [
        ("domain", DOMAIN, "dualstack")
    ]
    assert set(moto.records(zone)) == {(DOMAIN, "A"), (DOMAIN, "AAAA")}


@pytest.mark.parametrize("text", ["", "nobody", "0" * 36])
def test_a_mark_that_names_no_row_is_put_right(aws: Any, moto: Moto, text: str) -> None:
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN)
    aws.tag_resource(ResourceArn=ARN, Tags={UUID_TAG: text})

    checked = run("sync_routes", "--check")
    succeed("sync_routes")

    assert (checked.status, f'tags[{UUID_TAG}]: "{text}" -> "' in checked.stdout) == (1, True), checked
    assert domain(aws)["Tags"][UUID_TAG] == str(ApiGateway.objects.get().uuid)
    assert run("sync_routes", "--check").status == 0


def test_without_any_mark_it_belongs_to_others_and_stays(aws: Any, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN)
    aws.untag_resource(ResourceArn=ARN, TagKeys=[UUID_TAG, INSTALLATION_TAG])

    checked = run("sync_routes", "--check")
    deleted = succeed("delete_gateway", "chat", "--no-input")

    assert checked.status == 0, checked
    assert f"domain {DOMAIN} stays: it was not made for this gateway" in deleted.stderr
    assert aws.get_api_mappings(DomainName=DOMAIN)["Items"] == []


def test_the_api_that_lost_half_of_its_mark_gets_it_back(
    aws: Any, django_local_gateway: GatewayHandle
) -> None:
    succeed(*CREATE)
    arn = f"arn:aws:apigateway:eu-west-1::/apis/{ApiGateway.objects.get().api_id}"
    aws.untag_resource(ResourceArn=arn, TagKeys=[INSTALLATION_TAG])

    checked = run("sync_routes", "--check")
    succeed("sync_routes")

    assert f"tags[{INSTALLATION_TAG}]: " in checked.stdout
    assert run("sync_routes", "--check").status == 0


def test_a_health_check_of_the_record_stays_and_the_record_goes_with_the_domain(
    aws: Any, moto: Moto, zone: str
) -> None:
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN, "--hosted-zone-id", zone)
    checking = record()
    checking["AliasTarget"]["EvaluateTargetHealth"] = True
    change(moto, zone, "UPSERT", checking)

    checked = run("sync_routes", "--check")
    elsewhere = {**checking["AliasTarget"], "DNSName": "d-other.execute-api.eu-west-1.amazonaws.com"}
    change(moto, zone, "UPSERT", record(AliasTarget=elsewhere))
    succeed("sync_routes")
    found = moto.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    (kept,) = [item["AliasTarget"] for item in found if item["Type"] == "A"]
    succeed("delete_gateway", "chat", "--no-input")

    assert checked.status == 0, checked
    assert (kept["DNSName"].rstrip("."), kept["EvaluateTargetHealth"]) == (
        checking["AliasTarget"]["DNSName"],
        True,
    )
    assert moto.records(zone) == {}


def test_a_record_with_a_routing_policy_belongs_to_others(aws: Any, moto: Moto, zone: str) -> None:
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN, "--hosted-zone-id", zone)
    change(moto, zone, "DELETE", record())
    change(moto, zone, "CREATE", record(SetIdentifier="blue", Weight=1))

    refused = run("sync_routes")
    deleted = succeed("delete_gateway", "chat", "--no-input")

    assert refused.status == 1
    assert f"DNS has a record A {DOMAIN} with a routing policy ('blue')" in refused.stderr
    assert f"if DNS still has a record for {DOMAIN}, delete it by hand" in deleted.stderr
    assert set(moto.records(zone)) == {(DOMAIN, "A")}
    change(moto, zone, "DELETE", record_of(moto, zone))


def record_of(moto: Moto, zone: str) -> dict[str, Any]:
    found = moto.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return next(item for item in found if item["Type"] == "A")


def test_a_domain_does_not_pass_to_a_gateway_that_was_deleted_meanwhile(aws: Any, moto: Moto) -> None:
    share(aws, moto)
    chat = ApiGateway.objects.get(api_name="chat")

    with pytest.raises(PlanOutdatedError, match="no longer those that were confirmed"):
        delete_gateway(
            chat,
            confirm=lambda planned: no_result(succeed("delete_gateway", "news", "--no-input")),
            on_step=no_result,
        )
    succeed("delete_gateway", "chat", "--no-input")

    assert aws.get_domain_names()["Items"] == []
    assert not ApiGateway.objects.exists()


def test_a_domain_does_not_pass_to_a_gateway_that_is_being_deleted(
    aws: Any, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "HEIR_PATIENCE_SECONDS", 0.0)
    share(aws, moto)
    ended: list[Ended] = []

    delete_gateway(
        ApiGateway.objects.get(api_name="news"),
        confirm=lambda planned: ended.append(run("delete_gateway", "chat", "--no-input")),
        on_step=no_result,
    )
    succeed("delete_gateway", "chat", "--no-input")

    assert ended[0].status == 1
    assert "Gateway 'news' is being changed by process" in ended[0].stderr
    assert aws.get_domain_names()["Items"] == []
    assert not ApiGateway.objects.exists()


def no_result(value: object) -> None:
    """Take anything, and return nothing."""
