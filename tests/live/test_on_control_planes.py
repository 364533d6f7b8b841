"""Single calls and whole commands on every control plane that was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.commands.differences import DOMAIN_TABLE, TABLE, Difference
from tests.live.gateways import Gateway, plan_lines
from tests.live.known import CALLS, COMMANDS, DOMAIN_DRIFT, DRIFT
from tests.live.stages import STAGE_CASES, try_domain
from tests.live.targets import Target
from tests.live.values import CASES, Bench, bench_on, seen_on
from tests.support.commands import run
from tests.support.drift import Site
from tests.support.places import Place

pytestmark = pytest.mark.django_db


EVERY_CASE = {**CASES, **STAGE_CASES}
REPAIRED = "found, repaired, gone"


@pytest.mark.parametrize("case", EVERY_CASE)
def test_a_call_does_what_the_package_relies_on(target: Target, case: str) -> None:
    expected, attempt = EVERY_CASE[case]

    target.table.compare(CALLS, case, expected, seen_on(bench_on, target, attempt))


def test_a_domain_with_a_given_certificate(target: Target) -> None:
    place = given_place(target, CALLS, "domain")

    def attempt(bench: Bench) -> list[str]:
        return try_domain(bench, place, lambda *row: target.table.note(CALLS, *row))

    assert seen_on(bench_on, target, attempt) == []


def test_a_gateway_is_created_by_the_command(target: Target, gateway: Gateway, settings: Any) -> None:
    ended = gateway.create(settings)

    target.table.compare(COMMANDS, "create_gateway", "done", "done" if ended.status == 0 else ended.stderr)
    gateway.complete = ended.status == 0


def test_the_gateway_reads_back_as_its_row_says(target: Target, gateway: Gateway, settings: Any) -> None:
    site = whole(gateway, settings, COMMANDS, "routes and URLs")
    uris = {
        item["IntegrationId"]: item["IntegrationUri"]
        for item in site.aws.get_integrations(ApiId=site.api_id)["Items"]
    }
    routes = site.aws.get_routes(ApiId=site.api_id)["Items"]
    seen = {item["RouteKey"]: uris[item["Target"].removeprefix("integrations/")] for item in routes}
    base = site.row.target_base_endpoint
    names = {f"${name}": base + name for name in ("connect", "default", "disconnect")}

    expected = {**names, "move": "https://www.example.com/moves"}
    target.table.compare(COMMANDS, "routes and URLs", expected, dict(sorted(seen.items())))


def test_what_was_created_is_no_drift(target: Target, gateway: Gateway, settings: Any) -> None:
    site = whole(gateway, settings, COMMANDS, "sync_routes --check --deep")

    lines = plan_lines(site.sync("--check", "--deep"))

    gateway.has_residue = bool(lines)
    target.table.compare(COMMANDS, "sync_routes --check --deep", [], lines)


@pytest.mark.parametrize("difference", TABLE, ids=lambda difference: difference.name)
def test_a_difference_is_found_and_repaired(
    target: Target, gateway: Gateway, settings: Any, difference: Difference
) -> None:
    if why := why_not(target, difference):
        leave_out(target, DRIFT, difference.name, why)
    site = whole(gateway, settings, DRIFT, difference.name)

    target.table.compare(DRIFT, difference.name, REPAIRED, seen_of(site, gateway, difference))


def test_the_gateway_is_deleted_by_the_command(target: Target, gateway: Gateway, settings: Any) -> None:
    site = whole(gateway, settings, COMMANDS, "delete_gateway")

    target.table.compare(COMMANDS, "delete_gateway", "gone", deletion_of(site))


def test_a_gateway_with_a_domain_is_created_by_the_command(
    target: Target, domain_gateway: Gateway, settings: Any
) -> None:
    given_place(target, COMMANDS, "create_gateway with a domain")

    ended = domain_gateway.create(settings)

    domain_gateway.complete = ended.status == 0
    seen = "done" if domain_gateway.complete else ended.stderr
    target.table.compare(COMMANDS, "create_gateway with a domain", "done", seen)


def test_the_domain_reads_back_as_the_row_says(
    target: Target, domain_gateway: Gateway, settings: Any
) -> None:
    case = "certificate, mapping and record"
    site = whole(domain_gateway, settings, COMMANDS, case)

    target.table.compare(COMMANDS, case, *read_back(site))


def test_the_domain_that_was_created_is_no_drift(
    target: Target, domain_gateway: Gateway, settings: Any
) -> None:
    case = "sync_routes --check with a domain"
    site = whole(domain_gateway, settings, COMMANDS, case)

    lines = plan_lines(site.sync("--check", "--deep"))

    domain_gateway.has_residue = bool(lines)
    target.table.compare(COMMANDS, case, [], lines)


@pytest.mark.parametrize("difference", DOMAIN_TABLE, ids=lambda difference: difference.name)
def test_a_difference_of_the_domain_is_found_and_repaired(
    target: Target, domain_gateway: Gateway, settings: Any, difference: Difference
) -> None:
    if why := why_not(target, difference):
        leave_out(target, DOMAIN_DRIFT, difference.name, why)
    site = whole(domain_gateway, settings, DOMAIN_DRIFT, difference.name)

    target.table.compare(DOMAIN_DRIFT, difference.name, REPAIRED, seen_of(site, domain_gateway, difference))


def test_the_gateway_and_its_domain_are_deleted_by_the_command(
    target: Target, domain_gateway: Gateway, settings: Any
) -> None:
    site = whole(domain_gateway, settings, COMMANDS, "delete_gateway with a domain")

    target.table.compare(COMMANDS, "delete_gateway with a domain", "gone", deletion_of(site))


def deletion_of(site: Site) -> str:
    """`gone`, or what happened instead."""
    ended = run("delete_gateway", site.name, "--no-input")
    return ended.stderr if ended.status else ", ".join(left_of(site)) or "gone"


def read_back(site: Site) -> tuple[object, object]:
    """What the domain should be in AWS and in DNS, and what it is; without any id, which is nobody else's."""
    place = site.domain
    domain = site.aws.get_domain_name(DomainName=place.name)["DomainNameConfigurations"][0]
    mappings = site.aws.get_api_mappings(DomainName=place.name)["Items"]
    seen = {
        "the given certificate": domain["CertificateArn"] == place.certificate_arn,
        "mapped": [
            (item.get("ApiMappingKey", ""), item["ApiId"] == site.api_id, item["Stage"]) for item in mappings
        ],
        "records": [item["Type"] for item in place.records_to(domain["ApiGatewayDomainName"])],
    }
    mapped = [("", True, "production")]
    return {"the given certificate": True, "mapped": mapped, "records": ["A"] if place.zone_id else []}, seen


def left_of(site: Site) -> Iterator[str]:
    """What of the gateway is still in AWS or in DNS."""
    apis = [item["ApiId"] for item in site.aws.get_apis()["Items"]]
    if site.api_id in apis:
        yield "the API"
    if site.place:
        if site.place.name in [item["DomainName"] for item in site.aws.get_domain_names()["Items"]]:
            yield "the domain"
        if {"A", "AAAA"} & {item["Type"] for item in site.place.records()}:
            yield "a record"


def why_not(target: Target, difference: Difference) -> str:
    """Why the difference cannot be made here; empty if it can."""
    place = target.place
    if difference.needs == "store" and target.handle is None:
        return "no call can make it"
    if difference.needs == "logs" and not target.has_logs:
        return "no log group was given"
    if difference.needs == "certificate" and not (place and place.import_certificate):
        return "no other certificate was given"
    if difference.needs == "zone" and not (place and place.zone_id):
        return "no hosted zone was given"
    return ""


def given_place(target: Target, part: str, case: str) -> Place:
    """The custom domain that may be tried; the case is left out where none was given."""
    if target.place is None:
        leave_out(target, part, case, "no domain was given")
    assert target.place is not None
    return target.place


def leave_out(target: Target, part: str, case: str, why: str) -> None:
    target.table.leave_out(part, case, why)
    pytest.skip(why)


def whole(gateway: Gateway, settings: Any, part: str, case: str) -> Site:
    """The gateway as wanted; the case is left out where it could not be created."""
    if not gateway.complete:
        leave_out(gateway.target, part, case, "the gateway could not be created")
    return gateway.put_back(settings)


def seen_of(site: Site, gateway: Gateway, difference: Difference) -> str:
    """`REPAIRED`, or what happened instead."""
    before = plan_lines(site.sync("--check", "--deep"))
    if before and not gateway.has_residue:
        return f"not as wanted before: {before}"
    try:
        difference.make(site)
    except (ClientError, KeyError) as exc:
        return f"could not be made: {exc!r}"
    deep = [option for option in difference.options if option == "--deep"]
    checked = [line for line in plan_lines(site.sync("--check", *deep)) if line not in before]
    if not any(difference.named in line for line in checked):
        return f"not found: {checked}"
    repaired = site.sync(*difference.options, "--no-input")
    if repaired.status:
        return f"not repaired: {repaired.stderr}"
    left = [line for line in plan_lines(site.sync("--check", "--deep")) if line not in before]
    return f"not gone: {left}" if left else REPAIRED
