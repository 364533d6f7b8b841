"""The drift table: every single difference is found and named, repaired with few calls, and then gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.commands.differences import TABLE, Difference
from tests.commands.differences.trial import assert_repaired
from tests.support.commands import run
from tests.support.drift import OPTIONS, Site, build_site
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def handle() -> Iterator[GatewayHandle]:
    with local_gateway() as gateway:
        yield gateway


@pytest.fixture
def site(handle: GatewayHandle, settings: Any) -> Site:
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": handle.endpoint_url, "GATEWAYS": {"chat": OPTIONS}}
    return build_site(handle, settings)


def test_what_is_as_wanted_is_no_drift(site: Site) -> None:
    with site.counting() as calls:
        ended = run("sync_routes", "chat", "--check")

    assert (ended.status, ended.stderr) == (0, "")
    assert ended.stdout == "Nothing to do: gateway chat is as it should be.\n"
    assert calls == [
        "GetApis",
        "GetRoutes",
        "GetStages",
        "GetIntegrations",
        "GetRouteResponses",
        "GetDeployment",
        "GetDomainNames",
    ]


@pytest.mark.parametrize("difference", TABLE, ids=lambda difference: difference.name)
def test_a_single_difference_is_named_repaired_and_gone(site: Site, difference: Difference) -> None:
    assert_repaired(site, difference)


@pytest.mark.parametrize(
    "difference", [item for item in TABLE if "--prune" in item.options], ids=lambda item: item.name
)
def test_without_prune_what_nobody_wants_is_reported_and_left(site: Site, difference: Difference) -> None:
    difference.make(site)

    with site.counting() as calls:
        ended = run("sync_routes", "chat")
        deletions = [call for call in calls if call.startswith("Delete")]

    assert (ended.status, deletions) == (0, [])
    assert difference.named in ended.stdout
    assert "sync_routes --prune deletes it" in ended.stdout


def test_a_second_api_with_our_mark_is_reported_and_never_deleted(site: Site) -> None:
    tags = site.aws.get_api(ApiId=site.api_id)["Tags"]
    twin = site.aws.create_api(
        Name="chat",
        ProtocolType="WEBSOCKET",
        RouteSelectionExpression="$request.body.action",
        Tags=tags,
    )["ApiId"]

    checked = run("sync_routes", "chat", "--check")
    run("sync_routes", "chat", "--prune", "--no-input")

    assert checked.status == 1
    assert f"! Unwanted api {twin} (carries this gateway's mark too" in checked.stdout
    assert len(site.aws.get_apis()["Items"]) == 2
