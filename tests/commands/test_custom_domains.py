"""`create_gateway --domain`, `sync_routes`: certificate, domain, mapping, DNS. moto is ACM and Route 53."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.domains import CREATE, DOMAIN
from tests.support.commands import Ended, run
from tests.support.moto import Moto
from websocket_gateway.connections import endpoints
from websocket_gateway.models import ApiGateway
from websocket_gateway.resources import INSTALLATION_TAG, UUID_TAG
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("moto")]


def succeed(*argv: str) -> Ended:
    ended = run(*argv)
    assert ended.status == 0, ended
    return ended


def mappings(aws: Any, domain: str = DOMAIN) -> list[tuple[str, str, str]]:
    items = aws.get_api_mappings(DomainName=domain)["Items"]
    return [(item.get("ApiMappingKey", ""), item["ApiId"], item["Stage"]) for item in items]


def test_a_domain_with_everything_and_then_nothing_to_do(aws: Any, moto: Moto, zone: str) -> None:
    arn = moto.import_certificate("*.example.com")
    options = ("--domain", DOMAIN, "--certificate-arn", arn, "--hosted-zone-id", zone)

    dry = succeed(*CREATE, *options, "--dry-run")
    done = succeed(*CREATE, *options)
    again = succeed("sync_routes", "--check")

    row = ApiGateway.objects.get()
    domain = aws.get_domain_name(DomainName=DOMAIN)
    target = domain["DomainNameConfigurations"][0]["ApiGatewayDomainName"]
    assert domain["DomainNameConfigurations"][0]["CertificateArn"] == arn
    assert (domain["Tags"][UUID_TAG], bool(domain["Tags"][INSTALLATION_TAG])) == (str(row.uuid), True)
    assert mappings(aws) == [("", row.api_id, "production")]
    assert moto.records(zone)[DOMAIN, "A"].rstrip(".") == target
    assert (row.api_gateway_domain_name, row.custom_domain_created) == (target, True)
    assert row.api_mapping_id
    assert "waiting until domain ws.example.com is AVAILABLE" in done.stderr
    assert "Clients connect to wss://ws.example.com\n" in done.stdout
    for line in ("domain ws.example.com", "api mapping ws.example.com/", "dns record A ws.example.com"):
        assert f"+ Would create {line}" in dry.stdout
        assert f"+ Created {line}" in done.stdout
    assert "Nothing to do" in again.stdout


def test_a_certificate_of_the_name_itself_is_preferred_to_a_wildcard(aws: Any, moto: Moto) -> None:
    moto.import_certificate("*.example.com")
    arn = moto.import_certificate(DOMAIN)

    succeed(*CREATE, "--domain", DOMAIN)

    (configuration,) = aws.get_domain_name(DomainName=DOMAIN)["DomainNameConfigurations"]
    assert configuration["CertificateArn"] == arn


def test_a_mapping_key_whose_mapping_fails_is_not_handed_out(
    aws: Any, django_local_gateway: GatewayHandle, moto: Moto
) -> None:
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN, "--mapping-key", "chat")

    faults = django_local_gateway.faults

    faults.control_errors = {"CreateApiMapping": (403, "AccessDeniedException")}
    failed = run("create_gateway", "--mapping-key", "talk")
    meanwhile = endpoints.find_socket_url(ApiGateway.objects.get())
    faults.control_errors = {}
    succeed("create_gateway")

    assert failed.status == 1
    assert meanwhile.endswith("/production")
    assert DOMAIN not in meanwhile
    assert endpoints.find_socket_url(ApiGateway.objects.get()) == f"wss://{DOMAIN}/talk"


def test_without_a_hosted_zone_the_record_to_create_is_printed(aws: Any, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)

    done = succeed(*CREATE, "--domain", DOMAIN, "--mapping-key", "chat")
    report = json.loads(succeed(*CREATE[:2], "--format", "json").stdout)

    target = ApiGateway.objects.get().api_gateway_domain_name
    wanted = f"Create this record in DNS (at the top of a zone: an alias): {DOMAIN} CNAME {target}\n"
    assert wanted in done.stdout
    assert report["dns_record"] == f"{DOMAIN} CNAME {target}"
    assert report["socket_url"] == "wss://ws.example.com/chat"
    assert [key for key, *_ in mappings(aws)] == ["chat"]


def test_dual_stack_gets_both_records(aws: Any, moto: Moto, zone: str, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "GATEWAYS": {"chat": {"IP_ADDRESS_TYPE": "dualstack"}},
    }
    moto.import_certificate(DOMAIN)

    succeed(*CREATE, "--domain", DOMAIN, "--hosted-zone-id", zone)

    assert set(moto.records(zone)) >= {(DOMAIN, "A"), (DOMAIN, "AAAA")}
    assert run("sync_routes", "--check").status == 0


@pytest.fixture
def live(aws: Any, moto: Moto, zone: str) -> ApiGateway:
    """A gateway with a domain that is as wanted."""
    arn = moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN, "--certificate-arn", arn, "--hosted-zone-id", zone)
    return ApiGateway.objects.get()


def settle(aws: Any) -> None:
    for _ in range(2):
        aws.get_domain_name(DomainName=DOMAIN)


def change_certificate(aws: Any, moto: Moto, row: ApiGateway) -> None:
    other = moto.import_certificate(DOMAIN)
    configuration = {"CertificateArn": other, "EndpointType": "REGIONAL", "SecurityPolicy": "TLS_1_2"}
    aws.update_domain_name(DomainName=DOMAIN, DomainNameConfigurations=[configuration])
    settle(aws)


def delete_mapping(aws: Any, moto: Moto, row: ApiGateway) -> None:
    aws.delete_api_mapping(DomainName=DOMAIN, ApiMappingId=row.api_mapping_id)


def change_stage_of_mapping(aws: Any, moto: Moto, row: ApiGateway) -> None:
    aws.create_stage(ApiId=row.api_id, StageName="other")
    aws.update_api_mapping(
        DomainName=DOMAIN, ApiMappingId=row.api_mapping_id, ApiId=row.api_id, Stage="other"
    )


def delete_domain(aws: Any, moto: Moto, row: ApiGateway) -> None:
    aws.delete_domain_name(DomainName=DOMAIN)


def untag_domain(aws: Any, moto: Moto, row: ApiGateway) -> None:
    arn = f"arn:aws:apigateway:eu-west-1::/domainnames/{DOMAIN}"
    aws.tag_resource(ResourceArn=arn, Tags={INSTALLATION_TAG: row_installation(aws), "cost": "1"})
    row.tags = {"cost": "7"}
    row.save()


def row_installation(aws: Any) -> str:
    return str(aws.get_domain_name(DomainName=DOMAIN)["Tags"][INSTALLATION_TAG])


def redirect_record(aws: Any, moto: Moto, row: ApiGateway) -> None:
    _change_record(moto, row, "UPSERT", "d-elsewhere.execute-api.eu-west-1.amazonaws.com")


def delete_record(aws: Any, moto: Moto, row: ApiGateway) -> None:
    _change_record(moto, row, "DELETE", row.api_gateway_domain_name)


def _change_record(moto: Moto, row: ApiGateway, action: str, target: str) -> None:
    alias = {"HostedZoneId": "ZLOCALGATEWAY00", "DNSName": target, "EvaluateTargetHealth": False}
    entry = {"Name": DOMAIN, "Type": "A", "AliasTarget": alias}
    moto.route53.change_resource_record_sets(
        HostedZoneId=row.hosted_zone_id,
        ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": entry}]},
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        pytest.param(change_certificate, "~ Would update domain ws.example.com", id="certificate"),
        pytest.param(delete_mapping, "+ Would create api mapping ws.example.com/", id="mapping gone"),
        pytest.param(
            change_stage_of_mapping, "~ Would update api mapping ws.example.com/", id="mapping's stage"
        ),
        pytest.param(delete_domain, "+ Would create domain ws.example.com", id="domain gone"),
        pytest.param(untag_domain, 'tags[cost]: "1" -> "7"', id="tags"),
        pytest.param(redirect_record, "~ Would update dns record A ws.example.com", id="record elsewhere"),
        pytest.param(delete_record, "+ Would create dns record A ws.example.com", id="record gone"),
    ],
)
def test_drift_of_the_domain_is_named_and_mended(
    aws: Any, moto: Moto, live: ApiGateway, change: Any, named: str
) -> None:
    change(aws, moto, live)

    check = run("sync_routes", "--check")
    succeed("sync_routes", "--prune", "--no-input")
    after = run("sync_routes", "--check")

    assert check.status == 1
    assert named in check.stdout
    assert after.status == 0, after


def test_another_domain_on_the_row_is_made_and_the_old_one_goes_with_prune(
    aws: Any, moto: Moto, zone: str, live: ApiGateway
) -> None:
    moto.import_certificate("new.example.com")

    moved = succeed("create_gateway", "chat", "--domain", "new.example.com", "--certificate-arn", "")
    check = run("sync_routes", "--check")
    pruned = succeed("sync_routes", "--prune", "--no-input")

    assert "+ Created domain new.example.com" in moved.stdout
    assert "! Unwanted domain ws.example.com (an earlier domain of this gateway" in moved.stdout
    assert check.status == 1
    assert "- Deleted domain ws.example.com" in pruned.stdout
    assert [item["DomainName"] for item in aws.get_domain_names()["Items"]] == ["new.example.com"]
    assert set(moto.records(zone)) == {("new.example.com", "A")}
    assert run("sync_routes", "--check").status == 0


def test_another_mapping_key_is_made_and_the_old_path_goes_with_prune(aws: Any, live: ApiGateway) -> None:
    changed = succeed("create_gateway", "chat", "--mapping-key", "v2")
    pruned = succeed("sync_routes", "--prune", "--no-input")

    assert "+ Created api mapping ws.example.com/v2" in changed.stdout
    assert "- Deleted api mapping ws.example.com/ (an earlier path)" in pruned.stdout
    assert [key for key, *_ in mappings(aws)] == ["v2"]


def test_two_gateways_share_a_domain_by_mapping_keys(aws: Any, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN, "--mapping-key", "chat")

    succeed(
        "create_gateway", "news", "--target", "https://www.example.com/news/",
        "--domain", DOMAIN, "--mapping-key", "news",
    )  # fmt: skip
    kept = run("delete_gateway", "chat", "--no-input")

    assert kept.status == 0, kept
    assert "domain ws.example.com stays: other gateways use it" in kept.stderr
    assert [key for key, *_ in mappings(aws)] == ["news"]


def test_callbacks_go_over_the_domain_only_where_the_default_endpoint_is_off(
    live: ApiGateway, settings: Any
) -> None:
    before = endpoints.endpoint_of(live)
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "GATEWAYS": {"chat": {"DISABLE_EXECUTE_API_ENDPOINT": True}},
    }

    assert before.url.endswith("/production")
    assert endpoints.endpoint_of(live).url == f"https://{DOMAIN}"
