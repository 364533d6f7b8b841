"""Mappings of domains that a gateway did not make: found, shown, pruned, and deleted before the API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.domains import CREATE, DOMAIN
from tests.support.commands import Ended, run
from tests.support.moto import Moto
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("moto")]

FOREIGN = "tf.example.com"
"""A domain that another tool made."""


def succeed(*argv: str) -> Ended:
    ended = run(*argv)
    assert ended.status == 0, ended
    return ended


def mappings(aws: Any, domain: str) -> list[tuple[str, str, str]]:
    items = aws.get_api_mappings(DomainName=domain)["Items"]
    return [(item.get("ApiMappingKey", ""), item["ApiId"], item["Stage"]) for item in items]


def make_domain(aws: Any, moto: Moto, name: str) -> None:
    configuration = {"CertificateArn": moto.import_certificate(name), "EndpointType": "REGIONAL"}
    aws.create_domain_name(DomainName=name, DomainNameConfigurations=[configuration])
    for _ in range(2):
        aws.get_domain_name(DomainName=name)  # it becomes AVAILABLE


def map_by_hand(aws: Any, row: ApiGateway, name: str, key: str = "") -> None:
    aws.create_api_mapping(DomainName=name, ApiId=row.api_id, Stage=row.stage_name, ApiMappingKey=key)


@pytest.fixture
def moved(aws: Any, moto: Moto) -> ApiGateway:
    """A gateway that was on a domain which it did not make, and has one of its own now."""
    make_domain(aws, moto, FOREIGN)
    succeed(*CREATE, "--domain", FOREIGN)
    moto.import_certificate(DOMAIN)
    succeed("create_gateway", "chat", "--domain", DOMAIN)
    assert mappings(aws, FOREIGN)
    return ApiGateway.objects.get()


def test_a_mapping_that_was_left_behind_is_shown_and_pruned(aws: Any, moved: ApiGateway) -> None:
    checked = run("sync_routes", "--check")
    asked = run("sync_routes", "--prune")
    succeed("sync_routes", "--prune", "--no-input")

    assert checked.status == 1
    assert (
        f"! Unwanted api mapping {FOREIGN}/ (leads to this gateway, which does not name it" in checked.stdout
    )
    assert f"delete api mapping {FOREIGN}/ in AWS" in asked.stderr
    assert mappings(aws, FOREIGN) == []
    assert {item["DomainName"] for item in aws.get_domain_names()["Items"]} == {FOREIGN, DOMAIN}
    assert mappings(aws, DOMAIN) == [("", moved.api_id, "production")]
    assert run("sync_routes", "--check").status == 0


def test_deletion_takes_every_mapping_first(aws: Any, moved: ApiGateway) -> None:
    map_by_hand(aws, moved, FOREIGN, "more")

    deleted = succeed("delete_gateway", "chat", "--no-input")

    steps = [line.split(" (")[0] for line in deleted.stdout.splitlines()]
    assert steps == [
        f"- Deleted api mapping {DOMAIN}/",
        f"- Deleted domain {DOMAIN}",
        f"- Deleted api mapping {FOREIGN}/",
        f"- Deleted api mapping {FOREIGN}/more",
        "- Deleted api chat",
        "- Deleted record chat",
    ]
    assert f"domain {FOREIGN} stays: it was not made for this gateway" in deleted.stderr
    assert aws.get_apis()["Items"] == []


def test_a_mapping_by_hand_to_a_gateway_without_a_domain_is_a_note(aws: Any, moto: Moto) -> None:
    succeed(*CREATE)
    make_domain(aws, moto, FOREIGN)
    map_by_hand(aws, ApiGateway.objects.get(), FOREIGN)

    checked = succeed("sync_routes", "--check")
    report = json.loads(succeed("sync_routes", "--check", "--format", "json").stdout)
    succeed("sync_routes", "--prune", "--no-input")
    kept = mappings(aws, FOREIGN)
    succeed("delete_gateway", "chat", "--no-input")

    assert f"api mapping {FOREIGN}/ leads to this API and is not configured" in checked.stderr
    assert any(FOREIGN in note for note in report["gateways"][0]["notes"])
    assert len(kept) == 1
    assert mappings(aws, FOREIGN) == []


def test_mappings_on_later_pages_are_found(aws: Any, moto: Moto, django_local_gateway: GatewayHandle) -> None:
    succeed(*CREATE)
    row = ApiGateway.objects.get()
    make_domain(aws, moto, "a000.example.com")
    domains = django_local_gateway.gateway.store.domains
    for number in range(1, 103):
        name = f"a{number:03d}.example.com"
        domains[name] = type(domains["a000.example.com"])(
            domain={**domains["a000.example.com"].domain, "domainName": name}
        )
    last = list(domains)[-1]
    for number in range(101):
        aws.create_api_mapping(
            DomainName=last, ApiId=row.api_id, Stage="production", ApiMappingKey=f"k{number}"
        )

    checked = succeed("sync_routes", "--check")

    assert f"api mapping {last}/k100 leads to this API" in checked.stderr


def test_an_account_without_domains_costs_one_call(aws: Any, django_local_gateway: GatewayHandle) -> None:
    succeed(*CREATE)
    calls: list[str] = []
    django_local_gateway.faults.on_call = lambda call: (
        calls.append(call.operation) if call.phase == "received" else None
    )

    succeed("sync_routes", "--check")
    django_local_gateway.faults.on_call = None

    assert [name for name in calls if "Domain" in name or "Mapping" in name] == ["GetDomainNames"]


def test_a_role_that_must_not_see_domains_still_syncs_and_deletes(
    aws: Any, django_local_gateway: GatewayHandle
) -> None:
    succeed(*CREATE)
    denied = {"GetDomainNames": (403, "AccessDeniedException")}
    django_local_gateway.faults.control_errors = denied

    checked = succeed("sync_routes", "--check")
    succeed("delete_gateway", "chat", "--no-input")

    assert "mappings of custom domains were not looked for" in checked.stderr
    assert "GetDomainNames" in checked.stderr


def test_a_refusal_names_the_domain(aws: Any, moto: Moto, django_local_gateway: GatewayHandle) -> None:
    succeed(*CREATE)
    row = ApiGateway.objects.get()
    make_domain(aws, moto, FOREIGN)
    mapped: list[str] = []

    def map_meanwhile(call: Any) -> None:
        if call.operation == "DeleteApi" and not mapped:
            mapped.append(FOREIGN)
            store = django_local_gateway.gateway.store
            store.domains[FOREIGN].mappings["m1"] = {
                "apiMappingId": "m1",
                "apiMappingKey": "",
                "apiId": row.api_id,
                "stage": "production",
            }

    django_local_gateway.faults.on_call = map_meanwhile
    refused = run("delete_gateway", "chat", "--no-input")
    django_local_gateway.faults.on_call = None
    again = run("delete_gateway", "chat", "--no-input")

    assert refused.status == 1
    assert f"does not delete API {row.api_id!r} while {FOREIGN}/ leads to it" in refused.stderr
    assert ApiGateway.objects.count() == 0
    assert again.status == 0
