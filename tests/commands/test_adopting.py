"""`create_gateway --adopt`: APIs made by hand, by another tool, or by another installation."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from tests.factories import ApiGatewayFactory
from tests.support.commands import TARGET, run
from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db


@pytest.fixture
def handmade(aws: Any) -> str:
    """An API that somebody made in the console and that clients use; answers its id."""
    api_id = str(
        aws.create_api(
            Name="handmade",
            ProtocolType="WEBSOCKET",
            RouteSelectionExpression="$request.body.kind",
            Description="by hand",
            Tags={"cost": "7"},
        )["ApiId"]
    )
    for key, slug in (("$connect", "connect"), ("$default", "default"), ("orders", "orders")):
        integration = aws.create_integration(
            ApiId=api_id,
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="POST",
            IntegrationUri=f"https://www.example.com/sockets/{slug}",
        )["IntegrationId"]
        aws.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration}")
    aws.create_stage(ApiId=api_id, StageName="live")
    aws.create_deployment(ApiId=api_id, StageName="live")
    return api_id


def test_protection_that_is_removed_and_a_further_stage_are_noted_and_asked_about(
    aws: Any, handmade: str
) -> None:
    for item in aws.get_routes(ApiId=handmade)["Items"]:
        change: dict[str, dict[str, Any]]
        change = {"$connect": {"AuthorizationType": "AWS_IAM"}, "$default": {"ApiKeyRequired": True}}
        aws.update_route(ApiId=handmade, RouteId=item["RouteId"], **change.get(item["RouteKey"], {}))
    aws.create_stage(ApiId=handmade, StageName="beta")
    adopt = ("create_gateway", "chat", "--adopt", handmade)
    notes = (
        "the authorization AWS_IAM of route $connect is removed",
        "route $default needs no API key any more",
        "the stage production is created beside beta, live, which clients may use; --stage NAME keeps one",
    )

    dry, asked = run(*adopt, "--dry-run"), run(*adopt)
    kept = run(*adopt, "--stage", "live", "--dry-run")
    done = run(*adopt, "--no-input")

    assert dry.status == 0
    for note in notes:
        assert f"Note: {note}" in dry.stderr
        assert note in asked.stderr
    assert (asked.status, kept.status, done.status) == (1, 0, 0), asked
    assert "There is no terminal to ask on: pass --no-input to continue." in asked.stderr
    assert "is created beside" not in kept.stderr
    assert run("sync_routes", "chat", "--check").status == 1  # the two other stages


def test_the_first_plan_shows_what_would_change_and_keeps_what_clients_see(aws: Any, handmade: str) -> None:
    ended = run("create_gateway", "chat", "--adopt", handmade, "--dry-run")

    lines = ended.stdout.splitlines()
    assert ended.status == 0, ended
    assert lines[0] == "+ Would create record chat (missing in the database)"
    assert f'    api_id: "{handmade}"' in lines
    assert '    stage_name: "live"' in lines
    assert '    target_base_endpoint: "https://www.example.com/sockets/"' in lines
    assert '    route_selection_expression: "$request.body.kind"' in lines
    assert '    name: "handmade" -> "chat"' in lines
    assert "+ Would create integration $disconnect (missing in AWS)" in lines
    assert (
        "! Unwanted route orders (no row and no view declares it; left alone, sync_routes --prune deletes it)"
        in lines
    )
    assert not [line for line in lines if "create stage" in line or "create api" in line]
    assert not ApiGateway.objects.exists()
    assert "websocket_gateway:uuid" not in aws.get_api(ApiId=handmade)["Tags"]


def test_an_adopted_api_keeps_its_resources_and_is_ours(aws: Any, handmade: str) -> None:
    before = {item["IntegrationId"] for item in aws.get_integrations(ApiId=handmade)["Items"]}

    ended = run("create_gateway", "chat", "--adopt", handmade)
    again = run("create_gateway", "chat", "--adopt", handmade)

    row = ApiGateway.objects.get()
    assert ended.status == 0, ended
    assert (row.api_id, row.stage_name, row.api_description) == (handmade, "live", "by hand")
    assert before < {item["IntegrationId"] for item in aws.get_integrations(ApiId=handmade)["Items"]}
    tags = aws.get_api(ApiId=handmade)["Tags"]
    assert tags["cost"] == "7"
    assert tags["websocket_gateway:uuid"] == str(row.uuid)
    assert again.stdout.splitlines()[-2:] == [
        "Nothing to do: gateway chat is as it should be beside what is marked with !.",
        f"Clients connect to {row.api_endpoint}/live",
    ]


def test_a_row_that_exists_wins_over_what_the_api_has(aws: Any, handmade: str) -> None:
    ApiGatewayFactory.create(planned=True, api_name="chat", region_name="", stage_name="production")

    ended = run("create_gateway", "chat", "--adopt", handmade, "--no-input")

    assert ended.status == 0, ended
    assert f'    api_id: "" -> "{handmade}"' in ended.stdout.splitlines()
    assert "+ Created stage production (missing in AWS)" in ended.stdout
    assert "! Unwanted stage live (not ours" in ended.stdout


def test_an_api_of_another_installation_is_taken_over_on_purpose_only(aws: Any) -> None:
    run("create_gateway", "chat", *TARGET)
    api_id = ApiGateway.objects.get().api_id

    with override_settings(SECRET_KEY="the other installation"):
        refused = run("sync_routes", "chat")
        planned = run("create_gateway", "chat", "--adopt", api_id, "--dry-run")
        adopted = run("create_gateway", "chat", "--adopt", api_id)
        checked = run("sync_routes", "chat", "--check")

    assert refused.status == 1
    assert f"manage.py create_gateway chat --adopt {api_id}" in refused.stderr
    assert "    origin secret: another one -> the current one" in planned.stdout.splitlines()
    assert adopted.status == 0, adopted
    assert checked.status == 0, checked
    assert run("sync_routes", "chat").status == 1


@pytest.mark.parametrize("marked", [False, True], ids=["made by hand", "its row is gone"])
def test_a_name_that_aws_knows_already_is_not_used_for_a_second_api(aws: Any, marked: bool) -> None:
    if marked:
        run("create_gateway", "chat", *TARGET)
        ApiGateway.objects.all().delete()
    else:
        aws.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.a")
    (api,) = aws.get_apis()["Items"]

    ended = run("create_gateway", "chat", *TARGET)

    assert ended.status == 1
    assert f"AWS has an API called 'chat' already ({api['ApiId']}), and no row knows it." in ended.stderr
    assert f"manage.py create_gateway chat --adopt {api['ApiId']}" in ended.stderr
    assert len(aws.get_apis()["Items"]) == 1
    assert not ApiGateway.objects.exists()
    assert run("create_gateway", "chat", *TARGET, "--adopt", api["ApiId"]).status == 0


def test_what_cannot_be_adopted_is_named(aws: Any, handmade: str) -> None:
    run("create_gateway", "chat", *TARGET)
    own = ApiGateway.objects.get().api_id

    unknown = run("create_gateway", "news", *TARGET, "--adopt", "nosuchapi")
    taken = run("create_gateway", "news", *TARGET, "--adopt", own)
    second = run("create_gateway", "chat", "--adopt", handmade)

    assert "AWS knows no WebSocket API 'nosuchapi'" in unknown.stderr
    assert taken.stderr == f"API {own!r} already belongs to gateway 'chat'."
    assert f"Gateway 'chat' has API {own!r} in AWS already." in second.stderr
    assert {unknown.status, taken.status, second.status} == {1}
    assert ApiGateway.objects.get().api_id == own


def test_an_api_without_our_kind_of_connect_needs_a_target(aws: Any) -> None:
    api_id = aws.create_api(
        Name="bare", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]

    ended = run("create_gateway", "chat", "--adopt", api_id)

    assert ended.status == 2
    assert "--target https://www.example.com/ws/" in ended.stderr
    assert run("create_gateway", "chat", "--adopt", api_id, *TARGET).status == 0
