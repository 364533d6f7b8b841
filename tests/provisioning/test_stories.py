"""Six stories of a release engineer, each told from beginning to end with real sockets, ACM and Route 53."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.commands import run
from tests.support.live_site import EchoView, LiveSite, MovingView, hear, live_fixture, say, urls
from tests.support.moto import Moto, moto_fixture, moto_server_fixture, running_moto
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.sending import broadcast

__all__ = ["live_fixture", "moto_fixture", "moto_server_fixture"]

pytestmark = pytest.mark.django_db(transaction=True)

DOMAIN, NEW_DOMAIN = "ws.example.com", "live.example.com"


def check(site: LiveSite) -> str:
    """What `sync_routes --check` finds; empty if everything is as it should be."""
    checked = run("sync_routes", "--check")
    assert checked.status == (0 if "Nothing to do: gateway chat is as it should be." in checked.stdout else 1)
    return "" if checked.status == 0 else checked.stdout + checked.stderr


def domains_of(site: LiveSite) -> dict[str, list[str]]:
    """Each domain in AWS with the keys of its mappings."""
    names = [item["DomainName"] for item in site.aws.get_domain_names()["Items"]]
    return {
        name: [item["ApiMappingKey"] for item in site.aws.get_api_mappings(DomainName=name)["Items"]]
        for name in names
    }


def test_a_release_with_a_route_is_rolled_back_and_deployed_again(live: LiveSite, settings: Any) -> None:
    live.succeed("create_gateway", "chat", "--target", live.target)
    socket = live.open()

    settings.ROOT_URLCONF = urls(MovingView)  # release N declares the route `move` in a view
    deployed = live.succeed("sync_routes")
    assert "+ Created route move" in deployed.stdout
    assert say(socket, "by the route", action="move") == "by the route"

    settings.ROOT_URLCONF = urls(EchoView)  # back to N-1
    found = check(live)
    assert "! Unwanted route move (was made for a row or view that is gone" in found
    assert "--import" not in found  # there is nothing to import
    live.succeed("sync_routes", "--import")
    assert live.row.additional_routes.count() == 0
    assert say(socket, "still open") == "still open"

    settings.ROOT_URLCONF = urls(MovingView)  # N again: the route waited, and is not made twice
    again = live.succeed("sync_routes").stdout
    assert "route move" not in again
    assert check(live) == ""
    assert say(socket, "by the route", action="move") == "by the route"

    settings.ROOT_URLCONF = urls(EchoView)  # N is given up for good
    live.succeed("sync_routes", "--prune", "--no-input")
    assert check(live) == ""
    assert say(socket, "by the default route", action="move") == "by the default route"


def test_a_setting_is_rolled_back(live: LiveSite, moto: Moto, settings: Any) -> None:
    moto.import_certificate(DOMAIN)
    live.succeed("create_gateway", "chat", "--target", live.target, "--domain", DOMAIN)
    socket = live.open()
    before = settings.WEBSOCKET_GATEWAY

    options = {"DISABLE_EXECUTE_API_ENDPOINT": True, "THROTTLING_RATE_LIMIT": 50}
    settings.WEBSOCKET_GATEWAY = {**before, "GATEWAYS": {"chat": options}}
    live.succeed("sync_routes")
    assert live.aws.get_api(ApiId=live.row.api_id)["DisableExecuteApiEndpoint"] is True
    assert endpoint_of(live.row).url == f"https://{DOMAIN}"

    settings.WEBSOCKET_GATEWAY = before  # rolled back; AWS has not heard of it yet
    assert endpoint_of(live.row).url == f"https://{DOMAIN}"
    assert "disable_execute_api_endpoint: true -> false" in check(live)

    live.succeed("sync_routes")
    assert check(live) == ""
    assert live.aws.get_api(ApiId=live.row.api_id)["DisableExecuteApiEndpoint"] is False
    assert endpoint_of(live.row).url.endswith(f"{live.row.api_id}/production")
    assert broadcast({"n": 1}, channel="lobby").delivered == 1
    assert hear(socket)["n"] == 1

    # Disabled by hand: nothing configures it, so it is not drift, and callbacks follow it all the same.
    live.aws.update_api(ApiId=live.row.api_id, DisableExecuteApiEndpoint=True)
    assert "disable_execute_api_endpoint is true in AWS" in live.succeed("sync_routes").stderr
    assert endpoint_of(live.row).url == f"https://{DOMAIN}"


def test_a_stage_is_renamed(live: LiveSite) -> None:
    live.succeed("create_gateway", "chat", "--target", live.target)
    old, loaded_before = live.open(), live.page_url

    renamed = live.succeed("create_gateway", "chat", "--stage", "live")
    assert "1 open socket on production, where they stay until they end" in renamed.stdout
    new, late = live.open(), live.open(loaded_before)
    assert broadcast({"n": 1}, channel="lobby").delivered == 3
    assert [hear(socket)["n"] for socket in (old, new, late)] == [1, 1, 1]
    assert [say(socket, "hello") for socket in (old, new, late)] == ["hello"] * 3

    live.succeed("sync_routes", "--prune", "--no-input")
    assert live.stages == {"production", "live"}
    live.end(old)
    live.end(late)
    live.succeed("sync_routes", "--prune", "--no-input")
    assert live.stages == {"live"}
    assert check(live) == ""
    assert say(new, "hello") == "hello"


def test_a_mapping_key_is_renamed(live: LiveSite, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)
    domain = ("--domain", DOMAIN, "--mapping-key", "chat")
    live.succeed("create_gateway", "chat", "--target", live.target, *domain)
    old, loaded_before = live.open(), live.page_url
    assert loaded_before == f"wss://{DOMAIN}/chat"

    refused = run("create_gateway", "chat", "--mapping-key", "a/b")
    assert (refused.status, live.page_url) == (1, loaded_before)

    live.succeed("create_gateway", "chat", "--mapping-key", "talk")
    assert live.page_url == f"wss://{DOMAIN}/talk"
    new, late = live.open(), live.open(loaded_before)
    assert broadcast({"n": 1}, channel="lobby").delivered == 3
    assert [hear(socket)["n"] for socket in (old, new, late)] == [1, 1, 1]
    assert "! Unwanted api mapping ws.example.com/chat (an earlier path" in check(live)

    live.succeed("sync_routes", "--prune", "--no-input")
    assert domains_of(live) == {DOMAIN: ["talk"]}
    assert check(live) == ""
    assert say(new, "hello") == "hello"


def test_a_domain_is_renamed(live: LiveSite, moto: Moto) -> None:
    zone = moto.create_zone("example.com")
    moto.import_certificate("*.example.com")
    domain = ("--domain", DOMAIN, "--hosted-zone-id", zone)
    live.succeed("create_gateway", "chat", "--target", live.target, *domain)
    old, loaded_before = live.open(), live.page_url

    renamed = live.succeed("create_gateway", "chat", "--domain", NEW_DOMAIN)
    assert f"+ Created dns record A {NEW_DOMAIN}" in renamed.stdout
    assert live.page_url == f"wss://{NEW_DOMAIN}"
    new, late = live.open(), live.open(loaded_before)
    assert broadcast({"n": 1}, channel="lobby").delivered == 3
    assert [hear(socket)["n"] for socket in (old, new, late)] == [1, 1, 1]
    assert set(moto.records(zone)) == {(DOMAIN, "A"), (NEW_DOMAIN, "A")}

    live.succeed("sync_routes", "--prune", "--no-input")
    assert domains_of(live) == {NEW_DOMAIN: [""]}
    assert set(moto.records(zone)) == {(NEW_DOMAIN, "A")}
    assert check(live) == ""
    assert say(new, "hello") == "hello"


def test_a_gateway_moves_to_another_region(
    live: LiveSite, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = moto.create_zone("example.com")
    here = moto.import_certificate(DOMAIN)
    domain = ("--domain", DOMAIN, "--certificate-arn", here, "--hosted-zone-id", zone)
    live.succeed("create_gateway", "chat", "--target", live.target, *domain)
    live.open()
    before = live.row

    live.succeed("delete_gateway", "chat", "--keep-record", "--no-input")
    assert (domains_of(live), moto.records(zone)) == ({}, {})
    assert not before.websocket_sessions.filter(connected=True).exists()

    with running_moto("us-east-1") as other:
        for service in ("ACM", "ROUTE_53"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", other.url)
        forget_clients()
        zone = other.create_zone("example.com")
        there = other.import_certificate(DOMAIN)
        move = ("create_gateway", "chat", "--region", "us-east-1", "--hosted-zone-id", zone)

        refused = run(*move)  # the row still names the certificate of the region before
        assert "is in eu-west-1, and the gateway in us-east-1" in refused.stderr
        assert live.row.region_name == ""
        live.succeed(*move, "--certificate-arn", there)

        assert check(live) == ""
        assert set(other.records(zone)) == {(DOMAIN, "A")}
    after = live.row
    assert (after.region_name, after.uuid) == ("us-east-1", before.uuid)
    assert after.api_id not in ("", before.api_id)
    assert live.page_url == f"wss://{DOMAIN}"
    assert say(live.open(), "hello") == "hello"
