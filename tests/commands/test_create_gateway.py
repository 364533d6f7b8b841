"""`create_gateway` as an operator meets it, against the local gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import override_settings

from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory
from tests.support.commands import TARGET, run
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import origin_secret

pytestmark = pytest.mark.django_db


def test_a_new_gateway_is_created_from_the_options_alone(aws: Any) -> None:
    ended = run("create_gateway", "chat", *TARGET)

    row = ApiGateway.objects.get(api_name="chat")
    assert ended.stdout.splitlines() == [
        "+ Created record chat (missing in the database)",
        '    target_base_endpoint: "https://www.example.com/ws/"',
        "+ Created api chat (missing in AWS)",
        "+ Created integration $connect (missing in AWS)",
        "    POST https://www.example.com/ws/connect",
        "+ Created integration $disconnect (missing in AWS)",
        "    POST https://www.example.com/ws/disconnect",
        "+ Created integration $default (missing in AWS)",
        "    POST https://www.example.com/ws/default",
        "+ Created route $connect (missing in AWS)",
        "+ Created route $disconnect (missing in AWS)",
        "+ Created route $default (missing in AWS)",
        "+ Created route response $default (the route is two-way)",
        "+ Created stage production (missing in AWS)",
        "+ Created deployment production (changes are served only after a deployment)",
        f"Clients connect to {row.api_endpoint}/production",
    ]
    assert (ended.status, ended.stderr) == (0, "")
    assert (row.api_created, row.last_error) == (True, "")
    assert row.last_applied_on is not None
    assert aws.get_api(ApiId=row.api_id)["Name"] == "chat"


def test_a_second_run_has_nothing_to_do(aws: Any) -> None:
    run("create_gateway", "chat", *TARGET)
    before = ApiGateway.objects.get()

    ended = run("create_gateway")

    assert ended.status == 0
    assert ended.stdout.splitlines()[0] == "Nothing to do: gateway chat is as it should be."
    assert ApiGateway.objects.get().updated_on == before.updated_on


def test_the_integrations_carry_every_mapping_under_its_fixed_name(aws: Any) -> None:
    run("create_gateway", "chat", *TARGET)

    row = ApiGateway.objects.get()
    items = aws.get_integrations(ApiId=row.api_id)["Items"]
    parameters = {item["IntegrationUri"].rpartition("/")[2]: item["RequestParameters"] for item in items}
    common = {
        "integration.request.header.connectionId": "context.connectionId",
        "integration.request.header.wsEventType": "context.eventType",
        "integration.request.header.wsRouteKey": "context.routeKey",
        "integration.request.header.wsSourceIp": "context.identity.sourceIp",
        "integration.request.header.wsConnectedAt": "context.connectedAt",
        "integration.request.header.wsStage": "context.stage",
        "integration.request.header.wsRequestId": "context.requestId",
        "integration.request.header.wsOriginSecret": f"'{origin_secret(row.api_id)}'",
        "integration.request.header.Sec-WebSocket-Version": "'0'",
    }
    assert parameters == {
        "connect": common,
        "disconnect": common,
        "default": {**common, "integration.request.header.wsMessageId": "context.messageId"},
    }
    assert {(item["IntegrationType"], item["IntegrationMethod"]) for item in items} == {
        ("HTTP_PROXY", "POST")
    }
    assert {item["TimeoutInMillis"] for item in items} == {29_000}


def test_a_row_made_in_the_admin_is_provisioned_with_its_routes(aws: Any) -> None:
    gateway = ApiGatewayFactory.create(
        planned=True, api_name="chat", region_name="", tags={"team": "web"}, two_way=False
    )
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=gateway, route_key="move", integration_url="https://www.example.com/ws/moves"
    )

    ended = run("create_gateway")

    assert ended.status == 0
    gateway.refresh_from_db()
    routes = {item["RouteKey"]: item for item in aws.get_routes(ApiId=gateway.api_id)["Items"]}
    assert set(routes) == {"$connect", "$disconnect", "$default", "move"}
    assert routes["move"]["RouteResponseSelectionExpression"] == "$default"
    assert "RouteResponseSelectionExpression" not in routes["$default"]
    assert gateway.additional_routes.get().deployed is True
    assert aws.get_api(ApiId=gateway.api_id)["Tags"].items() >= {"team": "web"}.items()
    (stage,) = aws.get_stages(ApiId=gateway.api_id)["Items"]
    assert stage["Tags"].items() >= {"team": "web"}.items()


def test_options_for_an_existing_row_are_saved_and_shown_as_row_changes(aws: Any) -> None:
    run("create_gateway", "chat", *TARGET)

    ended = run("create_gateway", "--description", "Live", "--default-channel", "lobby", "--tag", "team=web")

    assert ended.stdout.splitlines()[:5] == [
        "~ Updated record chat (options were given)",
        '    default_channel_name: "" -> "lobby"',
        '    api_description: "" -> "Live"',
        '    tags: {} -> {"team": "web"}',
        "~ Updated api chat (3 of its attributes differ)",
    ]
    row = ApiGateway.objects.get()
    assert (row.default_channel_name, row.api_description, row.tags) == ("lobby", "Live", {"team": "web"})
    api = aws.get_api(ApiId=row.api_id)
    assert (api["Description"], api["Tags"]["team"]) == ("Live", "web")
    assert run("create_gateway").stdout.startswith("Nothing to do")


def test_a_dry_run_prints_the_plan_and_saves_nothing(aws: Any) -> None:
    ended = run("create_gateway", "chat", *TARGET, "--dry-run")

    lines = ended.stdout.splitlines()
    assert ended.status == 0
    assert lines[2] == "+ Would create api chat (missing in AWS)"
    assert all(line.startswith(("+ Would ", "    ")) for line in lines)
    assert not ApiGateway.objects.exists()
    assert aws.get_apis()["Items"] == []


def test_a_dry_run_of_changed_options_leaves_the_row_alone(aws: Any) -> None:
    run("create_gateway", "chat", *TARGET)

    ended = run("create_gateway", "--target", "https://www.example.org/ws", "--dry-run")

    assert '    target_base_endpoint: "https://www.example.com/ws/" -> "https://www.example.org/ws/"' in (
        ended.stdout.splitlines()
    )
    assert ApiGateway.objects.get().target_base_endpoint == "https://www.example.com/ws/"


def test_json_holds_the_plan_and_no_secret(aws: Any) -> None:
    run("create_gateway", "chat", *TARGET)
    row = ApiGateway.objects.get()
    with override_settings(SECRET_KEY="rotated", SECRET_KEY_FALLBACKS=["only-for-tests"]):
        new_secret = origin_secret(row.api_id)
        ended = run("create_gateway", "--format", "json")
        text = run("create_gateway", "--dry-run").stdout

    report = json.loads(ended.stdout)
    assert (report["gateway"], report["dry_run"], report["api_id"]) == ("chat", False, row.api_id)
    assert {(step["action"], step["kind"]) for step in report["steps"]} == {
        ("update", "api"),
        ("update", "integration"),
        ("update", "stage"),
        ("create", "deployment"),
    }
    for secret in (origin_secret(row.api_id), new_secret):
        assert secret not in ended.stdout + ended.stderr + text
    assert text.startswith("Nothing to do")


def test_what_was_changed_behind_our_back_is_put_right(aws: Any) -> None:
    run("create_gateway", "chat", *TARGET)
    api_id = ApiGateway.objects.get().api_id
    integrations = aws.get_integrations(ApiId=api_id)["Items"]
    aws.update_integration(
        ApiId=api_id,
        IntegrationId=integrations[0]["IntegrationId"],
        TimeoutInMillis=5000,
        RequestParameters={
            "integration.request.header.wsOriginSecret": "'guessed'",
            "integration.request.header.extra": "'1'",
        },
    )

    ended = run("create_gateway")

    lines = ended.stdout.splitlines()
    assert "    timeout_in_millis: 5000 -> 29000" in lines
    assert "    origin secret: another one -> the current one" in lines
    (repaired,) = [
        item
        for item in aws.get_integrations(ApiId=api_id)["Items"]
        if item["IntegrationId"] == integrations[0]["IntegrationId"]
    ]
    assert repaired == integrations[0]
    assert run("create_gateway").stdout.startswith("Nothing to do")


def test_settings_of_a_gateway_reach_its_stage_and_integrations(aws: Any) -> None:
    options = {
        "INTEGRATION_TIMEOUT_MS": 10_000,
        "THROTTLING_RATE_LIMIT": 50,
        "THROTTLING_BURST_LIMIT": 100,
        "STAGE_VARIABLES": {"colour": "blue"},
        "TAGS": {"team": "web"},
    }
    from websocket_gateway.conf import get_settings

    endpoint_url = get_settings().endpoint_url
    with override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": endpoint_url, "GATEWAYS": {"chat": options}}):
        run("create_gateway", "chat", *TARGET)
        assert run("create_gateway").stdout.startswith("Nothing to do")

    api_id = ApiGateway.objects.get().api_id
    (stage,) = aws.get_stages(ApiId=api_id)["Items"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 50
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 100
    assert stage["StageVariables"] == {"colour": "blue"}
    assert stage["Tags"]["team"] == "web"
    assert {item["TimeoutInMillis"] for item in aws.get_integrations(ApiId=api_id)["Items"]} == {10_000}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"TAGS": {"aws:owner": "me"}}, """['chat']["TAGS"]: Tag 'aws:owner': this prefix is reserved."""),
        ({"STAGE_VARIABLES": {"a b": "c"}}, """['chat']["STAGE_VARIABLES"]: Stage variable 'a b'"""),
        ({"STAGE_VARIABLES": {"empty": ""}}, """['chat']["STAGE_VARIABLES"]: Stage variable 'empty'"""),
    ],
)
def test_what_aws_would_refuse_of_the_settings_is_refused_before_anything_is_made(
    aws: Any, options: dict[str, Any], words: str
) -> None:
    endpoint_url = aws.meta.endpoint_url
    with override_settings(WEBSOCKET_GATEWAY={"ENDPOINT_URL": endpoint_url, "GATEWAYS": {"chat": options}}):
        ended = run("create_gateway", "chat", *TARGET)

    assert (ended.status, ApiGateway.objects.count(), aws.get_apis()["Items"]) == (1, 0, [])
    assert words in ended.stderr
