"""Single calls and whole commands on every control plane that was chosen."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.commands.differences import TABLE, Difference
from tests.live.gateways import Gateway, plan_lines
from tests.live.known import CALLS, COMMANDS, DRIFT
from tests.live.stages import STAGE_CASES, try_domain
from tests.live.targets import Target
from tests.live.values import CASES, Bench, bench_on, seen_on
from tests.support.commands import run
from tests.support.drift import Site

pytestmark = pytest.mark.django_db


EVERY_CASE = {**CASES, **STAGE_CASES}
MENDED = "found, repaired, gone"


@pytest.mark.parametrize("case", EVERY_CASE)
def test_a_call_does_what_the_package_relies_on(target: Target, case: str) -> None:
    expected, attempt = EVERY_CASE[case]

    target.table.compare(CALLS, case, expected, seen_on(bench_on, target, attempt))


def test_a_domain_with_a_given_certificate(target: Target) -> None:
    if not target.domain:
        leave_out(target, CALLS, "domain", "no domain was given")

    def attempt(bench: Bench) -> list[str]:
        return try_domain(bench, lambda *row: target.table.note(CALLS, *row))

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
    if difference.needs == "store" and target.handle is None:
        leave_out(target, DRIFT, difference.name, "no call can make it")
    if difference.needs == "logs" and not target.has_logs:
        leave_out(target, DRIFT, difference.name, "no log group was given")
    site = whole(gateway, settings, DRIFT, difference.name)

    target.table.compare(DRIFT, difference.name, MENDED, seen_of(site, gateway, difference))


def test_the_gateway_is_deleted_by_the_command(target: Target, gateway: Gateway, settings: Any) -> None:
    site = whole(gateway, settings, COMMANDS, "delete_gateway")

    ended = run("delete_gateway", site.name, "--no-input")
    found = [item["ApiId"] for item in site.aws.get_apis()["Items"] if item["ApiId"] == site.api_id]

    seen = ended.stderr if ended.status else "still there" if found else "gone"
    target.table.compare(COMMANDS, "delete_gateway", "gone", seen)


def leave_out(target: Target, part: str, case: str, why: str) -> None:
    target.table.leave_out(part, case, why)
    pytest.skip(why)


def whole(gateway: Gateway, settings: Any, part: str, case: str) -> Site:
    """The gateway as wanted; the case is left out where it could not be created."""
    if not gateway.complete:
        leave_out(gateway.target, part, case, "the gateway could not be created")
    return gateway.put_back(settings)


def seen_of(site: Site, gateway: Gateway, difference: Difference) -> str:
    """`MENDED`, or what happened instead."""
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
    mended = site.sync(*difference.options, "--no-input")
    if mended.status:
        return f"not repaired: {mended.stderr}"
    left = [line for line in plan_lines(site.sync("--check", "--deep")) if line not in before]
    return f"not gone: {left}" if left else MENDED
