"""Another stage for a gateway with open sockets: they live on, are reached, and are counted."""

from __future__ import annotations

import json

import pytest

from tests.factories import WebSocketSessionFactory
from tests.support.commands import run
from tests.support.live_site import LiveSite, hear, live_fixture, say
from websocket_gateway.connections import closing, endpoints, verifying
from websocket_gateway.context_headers import STAGE_HEADER
from websocket_gateway.exceptions import GatewayMissingError
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.provisioning import Choices, Provisioning, provision
from websocket_gateway.sending import broadcast

__all__ = ["live_fixture"]

pytestmark = pytest.mark.django_db(transaction=True)

MAPPED = f"integration.request.header.{STAGE_HEADER}"


@pytest.fixture
def site(live: LiveSite) -> LiveSite:
    live.succeed("create_gateway", "chat", "--target", live.target)
    return live


def deployed_before_stages_were_mapped(site: LiveSite) -> None:
    """Make the gateway what an earlier version left: nothing maps the stage, and no row knows one."""
    for item in site.aws.get_integrations(ApiId=site.row.api_id)["Items"]:
        site.aws.update_integration(
            ApiId=site.row.api_id, IntegrationId=item["IntegrationId"], RequestParameters={MAPPED: ""}
        )
    site.aws.create_deployment(ApiId=site.row.api_id, StageName="production")
    ApiGateway.objects.update(maps_stage=False)


def test_sockets_on_both_stages_hear_and_are_answered(site: LiveSite) -> None:
    old = site.open()
    planned = run("create_gateway", "chat", "--stage", "v2", "--dry-run")
    site.succeed("create_gateway", "chat", "--stage", "v2")
    new = site.open()

    sent = broadcast({"n": 1}, channel="lobby")

    assert "clients connect to stage v2 from now on; 1 open socket on production" in planned.stdout
    assert site.page_url.endswith("/v2")
    assert sorted(WebSocketSession.objects.values_list("stage_name", flat=True)) == ["production", "v2"]
    assert (sent.delivered, sent.gone, sent.failed) == (2, 0, 0)
    assert hear(old)["n"] == hear(new)["n"] == 1
    assert (say(old, "from production"), say(new, "from v2")) == ("from production", "from v2")
    assert verifying.verify(WebSocketSession.objects.all()).open == 2
    assert closing.disconnect(WebSocketSession.objects.all()).closed == 2


def test_the_earlier_stage_is_kept_while_sockets_are_open_and_pruned_afterwards(site: LiveSite) -> None:
    old = site.open()
    site.succeed("create_gateway", "chat", "--stage", "v2")

    checked = run("sync_routes", "--check")
    kept = site.succeed("sync_routes", "--prune", "--no-input")
    still = site.stages
    say(old, "hello")
    site.end(old)
    refused = run("sync_routes", "--prune")
    site.succeed("sync_routes", "--prune", "--no-input")

    assert checked.status == 1
    assert "stage production (an earlier stage of this gateway with 1 open socket; --prune" in checked.stdout
    assert "Deleted stage" not in kept.stdout
    assert still == {"production", "v2"}
    assert refused.status == 1  # it is asked for, and there is no terminal
    assert "delete stage production" in refused.stderr
    assert site.stages == {"v2"}
    assert run("sync_routes", "--check").status == 0


def test_a_page_keeps_the_deployed_stage_until_the_new_one_is_deployed(site: LiveSite) -> None:
    row = site.row
    row.stage_name = "v2"
    row.save()

    saved = site.page_url
    site.handle.faults.control_errors = {"CreateDeployment": (403, "AccessDeniedException")}
    failed = run("create_gateway", "chat")
    meanwhile = site.page_url
    site.handle.faults.control_errors = {}
    site.succeed("create_gateway", "chat")

    assert failed.status == 1
    assert saved.endswith("/production")
    assert meanwhile == saved
    assert site.page_url.endswith("/v2")
    assert endpoints.endpoint_of(site.row).url.endswith("/v2")


def test_an_instance_that_was_loaded_before_does_not_set_the_deployed_stage_back(site: LiveSite) -> None:
    stale = site.row
    site.succeed("create_gateway", "chat", "--stage", "v2")

    stale.save()

    assert site.row.deployed_stage == "v2"


def test_sockets_that_were_opened_before_stages_were_mapped_stay_on_theirs(site: LiveSite) -> None:
    deployed_before_stages_were_mapped(site)
    old = site.open()
    address = site.page_url
    unknown = WebSocketSession.objects.get().stage_name

    done = site.succeed("create_gateway", "chat", "--stage", "v2")
    late = site.open(address)  # a page that was loaded before
    sent = broadcast({"n": 1}, channel="lobby")

    assert unknown == ""
    assert "~ Updated deployment production (an earlier stage serves the same" in done.stdout
    assert set(WebSocketSession.objects.values_list("stage_name", flat=True)) == {"production"}
    assert sent.delivered == 2
    assert hear(old)["n"] == hear(late)["n"] == 1


def test_a_gateway_of_an_earlier_version_gets_the_mapping_by_one_sync(site: LiveSite) -> None:
    deployed_before_stages_were_mapped(site)

    checked = run("sync_routes", "--check")
    before = site.open()
    site.succeed("sync_routes")
    after = site.open()

    assert f"request_parameters[{MAPPED}]" in checked.stdout
    assert [say(socket, "hello") for socket in (before, after)] == ["hello", "hello"]
    assert list(WebSocketSession.objects.order_by("pk").values_list("stage_name", flat=True)) == [
        "",
        "production",
    ]
    assert run("sync_routes", "--check").status == 0


def test_the_plan_counts_open_sockets_alone(site: LiveSite) -> None:
    WebSocketSessionFactory.create_batch(3, api_gateway=site.row, stage_name="production")
    WebSocketSessionFactory.create(api_gateway=site.row)  # its stage is not known, so it is the deployed one
    WebSocketSessionFactory.create(api_gateway=site.row, ended=True)
    WebSocketSessionFactory.create(api_gateway=site.row, stale=True)

    planned = run("create_gateway", "chat", "--stage", "v2", "--dry-run", "--format", "json")

    reasons = [step["reason"] for step in json.loads(planned.stdout)["steps"] if step["kind"] == "record"]
    assert any("4 open sockets on production, where they stay until they end" in why for why in reasons)


def test_a_stage_whose_socket_was_opened_after_the_question_is_kept(site: LiveSite) -> None:
    address = site.page_url
    site.succeed("create_gateway", "chat", "--stage", "v2")
    opened = []

    def agree_late(planned: Provisioning) -> None:
        assert [step.name for step in planned.plan.deletions] == ["production"]
        opened.append(site.open(address))

    provision(site.row, choices=Choices(prune=True), confirm=agree_late, on_step=lambda step: None)

    assert site.stages == {"production", "v2"}
    assert say(opened[0], "hello") == "hello"
    assert site.row.last_error == ""


def test_the_way_back_leads_to_the_stage_that_was_kept(site: LiveSite) -> None:
    first = site.open()
    site.succeed("create_gateway", "chat", "--stage", "v2")
    second = site.open()

    back = site.succeed("create_gateway", "chat", "--stage", "production")

    assert "1 open socket on v2, where they stay until they end" in back.stdout
    assert site.page_url.endswith("/production")
    assert broadcast({"n": 1}, channel="lobby").delivered == 2
    assert hear(first)["n"] == hear(second)["n"] == 1


def test_a_client_cannot_say_its_stage_before_the_mapping_is_deployed(site: LiveSite) -> None:
    deployed_before_stages_were_mapped(site)

    site.open(**{STAGE_HEADER: "elsewhere"})

    assert WebSocketSession.objects.get().stage_name == ""


def test_a_socket_that_the_domain_does_not_lead_to_fails_with_the_reason(site: LiveSite) -> None:
    ApiGateway.objects.update(
        domain_name="ws.example.com", custom_domain_created=True, default_endpoint_disabled=True
    )

    assert endpoints.endpoint_of(site.row).url == "https://ws.example.com"
    with pytest.raises(GatewayMissingError, match="is on stage 'v1' .* ws.example.com leads to 'production'"):
        endpoints.endpoint_of(site.row, "v1")
