"""Options of `GATEWAYS` that nothing configures any more, and values that nobody of ours ever configured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.commands import run
from tests.support.drift import OPTIONS, Site, build_site
from websocket_gateway.local.options import Quirks
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway

pytestmark = pytest.mark.django_db

BY_HAND: dict[str, tuple[dict[str, Any], object, object]] = {
    "description": ({"Description": "by hand"}, "by hand", ""),
    "throttling_rate_limit": ({"DefaultRouteSettings": {"ThrottlingRateLimit": 5.0}}, 5.0, 10000.0),
    "throttling_burst_limit": ({"DefaultRouteSettings": {"ThrottlingBurstLimit": 5}}, 5, 5000),
    "stage_variables": ({"StageVariables": {"shape": "round"}}, {"shape": "round"}, {}),
}


@pytest.fixture(scope="module", params=["ignored", "cleared"])
def handle(request: pytest.FixtureRequest) -> Iterator[GatewayHandle]:
    with local_gateway(quirks=Quirks(empty_stage_description=request.param)) as gateway:
        yield gateway


@pytest.fixture
def site(handle: GatewayHandle, settings: Any) -> Site:
    """A gateway of which the settings say nothing, and never did."""
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": handle.endpoint_url, "GATEWAYS": {}}
    site = build_site(handle, settings)
    site.row.stage_description = ""
    site.row.save()
    return site


@pytest.mark.parametrize("attribute", BY_HAND)
def test_a_value_that_nothing_configures_is_shown_and_no_drift(site: Site, attribute: str) -> None:
    assert run("sync_routes", "chat").status == 0
    change, value, default = BY_HAND[attribute]
    site.change_stage(**change)

    checked = run("sync_routes", "chat", "--check")
    reported = json.loads(run("sync_routes", "chat", "--check", "--format", "json").stdout)

    assert checked.status == 0, checked
    assert f"stage production: {attribute} is {json.dumps(value)} in AWS" in checked.stderr
    assert reported["drift"] is False
    shown = {item["attribute"]: item for item in reported["gateways"][0]["unmanaged"]}
    assert shown[attribute] == {
        "kind": "stage",
        "name": "production",
        "attribute": attribute,
        "value": value,
        "default": default,
    }


def test_everything_taken_back_at_once_is_undone_and_forgotten(site: Site) -> None:
    site.configure({**OPTIONS, "DISABLE_EXECUTE_API_ENDPOINT": True, "IP_ADDRESS_TYPE": "dualstack"})
    assert run("sync_routes", "chat").status == 0
    site.configure({})

    assert run("sync_routes", "chat").status == 0

    stage = site.aws.get_stage(ApiId=site.api_id, StageName="production")
    api = site.aws.get_api(ApiId=site.api_id)
    assert "AccessLogSettings" not in stage
    assert stage["StageVariables"] == {}
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 10000.0
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 5000
    assert (api["DisableExecuteApiEndpoint"], api["IpAddressType"]) == (False, "ipv4")
    assert "websocket_gateway:options" not in {**stage["Tags"], **api["Tags"]}
    assert run("sync_routes", "chat", "--check").status == 0


def test_a_value_changed_by_hand_after_its_option_was_taken_back_is_somebody_else_s(site: Site) -> None:
    site.configure({"THROTTLING_RATE_LIMIT": 100})
    assert run("sync_routes", "chat").status == 0
    site.configure({})
    assert run("sync_routes", "chat").status == 0

    site.change_stage(DefaultRouteSettings={"ThrottlingRateLimit": 7.0})

    assert run("sync_routes", "chat", "--check").status == 0
