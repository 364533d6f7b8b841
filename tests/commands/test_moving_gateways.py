"""A domain handed to a successor, a domain that survives its maker, a gateway in another region."""

from __future__ import annotations

from typing import Any

import pytest

from tests.commands.domains import CREATE, DOMAIN
from tests.commands.test_other_mappings import mappings, succeed
from tests.support.commands import run
from tests.support.moto import Moto
from websocket_gateway.connections import find_socket_url
from websocket_gateway.connections.endpoints import endpoint_of
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning import Choices, plan_provisioning
from websocket_gateway.resources import UUID_TAG
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("moto")]

GREEN = ("create_gateway", "green", "--target", "https://www.example.com/ws/")


def row(name: str) -> ApiGateway:
    return ApiGateway.objects.get(api_name=name)


@pytest.fixture
def pair(aws: Any, moto: Moto) -> None:
    """The gateway `chat` with a domain, and its successor `green` without."""
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN)
    succeed(*GREEN)


@pytest.mark.usefixtures("pair")
def test_a_path_is_handed_to_the_successor_by_a_flag_and_after_a_question(aws: Any) -> None:
    refused = run("create_gateway", "green", "--domain", DOMAIN)
    asked = run("create_gateway", "green", "--domain", DOMAIN, "--move-mapping")
    before = find_socket_url(row("green")), find_socket_url(row("chat"))
    done = succeed("create_gateway", "green", "--domain", DOMAIN, "--move-mapping", "--no-input")

    assert refused.status == asked.status == 1
    assert "which is gateway chat's" in refused.stderr
    assert "--move-mapping" in refused.stderr
    assert f"Lead {DOMAIN}/ (gateway chat gives it up) to gateway green?" in asked.stderr
    assert before[0].endswith("/production")
    assert before[1] == f"wss://{DOMAIN}"
    assert f"~ Updated api mapping {DOMAIN}/ (gateway chat gives it up)" in done.stdout
    assert mappings(aws, DOMAIN) == [("", row("green").api_id, "production")]
    assert find_socket_url(row("green")) == f"wss://{DOMAIN}"
    assert find_socket_url(row("chat")).endswith(f"{row('chat').api_id}/production")
    assert run("sync_routes", "--check").status == 0


@pytest.mark.usefixtures("pair")
def test_a_mapping_of_another_installation_is_not_moved(aws: Any, settings: Any) -> None:
    ApiGateway.objects.filter(api_name="chat").update(installation="0" * 16)

    refused = run("create_gateway", "green", "--domain", DOMAIN, "--move-mapping", "--no-input")

    assert refused.status == 1
    assert mappings(aws, DOMAIN) == [("", row("chat").api_id, "production")]


def test_ownership_passes_on_when_the_maker_is_deleted_first(aws: Any, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN, "--mapping-key", "chat")
    succeed(*GREEN, "--domain", DOMAIN, "--mapping-key", "green")

    deleted = succeed("delete_gateway", "chat", "--no-input")
    owner = aws.get_domain_name(DomainName=DOMAIN)["Tags"][UUID_TAG]
    checked = run("sync_routes", "--check")
    heir = str(row("green").uuid)
    succeed("delete_gateway", "green", "--no-input")

    assert f"~ Updated domain {DOMAIN} (gateway green uses it, and owns it from now on)" in deleted.stdout
    assert owner == heir
    assert checked.status == 0, checked
    assert aws.get_domain_names()["Items"] == []


def test_the_last_gateway_of_a_domain_whose_maker_has_no_row_owns_it(aws: Any, moto: Moto) -> None:
    moto.import_certificate(DOMAIN)
    succeed(*CREATE, "--domain", DOMAIN, "--mapping-key", "chat")
    succeed(*GREEN, "--domain", DOMAIN, "--mapping-key", "green")
    maker = row("chat")
    succeed("delete_gateway", "chat", "--forget", "--no-input")

    shared = run("sync_routes", "--check")
    aws.delete_api_mapping(DomainName=DOMAIN, ApiMappingId=maker.api_mapping_id)
    alone = run("sync_routes", "--check")
    succeed("sync_routes")
    owner = aws.get_domain_name(DomainName=DOMAIN)["Tags"][UUID_TAG]
    succeed("delete_gateway", "green", "--no-input")

    assert shared.status == 0, shared  # the other mapping may be that of a project with the same key
    assert alone.status == 1
    assert owner not in ("", str(maker.uuid))
    assert aws.get_domain_names()["Items"] == []


def lose_api(handle: GatewayHandle, region: str) -> None:
    """Give the row an address in AWS, whose API is gone."""
    handle.gateway.store.apis.clear()
    host = f"wss://gone123456.execute-api.{region}.amazonaws.com"
    ApiGateway.objects.update(api_id="gone123456", api_endpoint=host)


def test_a_gateway_that_is_created_again_goes_to_the_region_that_is_wanted_now(
    django_local_gateway: GatewayHandle,
) -> None:
    succeed(*CREATE)
    lose_api(django_local_gateway, "eu-west-1")

    planned = plan_provisioning(row("chat"), {"region_name": "us-east-1"}, choices=Choices(recreate=True))
    by_settings = plan_provisioning(row("chat"), choices=Choices(recreate=True))
    created = run("create_gateway", "chat", "--recreate", "--region", "us-east-1", "--no-input")

    assert planned.apis.region == "us-east-1"
    assert not any("is not used for it" in note for note in planned.plan.notes)
    assert by_settings.apis.region == "eu-west-1"
    assert created.status == 0, created
    assert (row("chat").region_name, row("chat").api_id != "gone123456") == ("us-east-1", True)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(
    ("options", "advice"),
    [(("--recreate",), "delete_gateway chat --keep-record"), ((), "give --recreate too if it was deleted")],
)
def test_an_api_that_exists_is_not_moved(options: tuple[str, ...], advice: str) -> None:
    succeed(*CREATE)
    ApiGateway.objects.update(api_endpoint=f"wss://{row('chat').api_id}.execute-api.eu-west-1.amazonaws.com")

    refused = run("create_gateway", "chat", "--region", "us-east-1", "--no-input", *options)

    assert refused.status == 1
    assert "cannot move to us-east-1" in refused.stderr
    assert advice in refused.stderr
    assert row("chat").region_name == ""


def test_a_region_that_is_none_is_wrong_usage() -> None:
    assert "'Frankfurt' is not a region, such as eu-central-1" in run(*CREATE, "--region", "Frankfurt").stderr


@pytest.mark.parametrize("options", [("--domain", "new.example.com"), ("--mapping-key", "talk")])
def test_without_a_default_endpoint_the_address_of_before_serves_until_the_new_one_exists(
    django_local_gateway: GatewayHandle, moto: Moto, settings: Any, options: tuple[str, str]
) -> None:
    settings.WEBSOCKET_GATEWAY = {
        **settings.WEBSOCKET_GATEWAY,
        "GATEWAYS": {"chat": {"DISABLE_EXECUTE_API_ENDPOINT": True}},
    }
    moto.import_certificate("*.example.com")
    succeed(*CREATE, "--domain", DOMAIN, "--mapping-key", "chat")
    django_local_gateway.faults.control_errors = {"CreateApiMapping": (403, "AccessDeniedException")}

    failed = run("create_gateway", "chat", *options)
    meanwhile = find_socket_url(row("chat")), endpoint_of(row("chat")).url
    django_local_gateway.faults.control_errors = {}
    succeed("create_gateway", "chat")
    after = find_socket_url(row("chat")), endpoint_of(row("chat")).url
    succeed("sync_routes", "--prune", "--no-input")

    assert failed.status == 1
    assert meanwhile == (f"wss://{DOMAIN}/chat", f"https://{DOMAIN}/chat")
    assert after == (find_socket_url(row("chat")), endpoint_of(row("chat")).url)
    assert after[0] in ("wss://new.example.com/chat", f"wss://{DOMAIN}/talk")
