"""`sync_routes` as an operator and a pipeline meet it, against the local gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.commands.changes import add_route, change_default
from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory
from tests.support.commands import TARGET, run
from websocket_gateway.local.options import Call
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway

pytestmark = pytest.mark.django_db


def test_a_plan_is_read_like_a_diff(aws: Any, chat: ApiGateway) -> None:
    change_default(aws, chat.api_id, TimeoutInMillis=5000)
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=chat,
        name="Moves",
        route_key="move",
        integration_url="https://www.example.com/m",
        two_way=False,
    )
    add_route(aws, chat.api_id, "orders", "https://www.example.com/orders")

    planned = run("sync_routes", "chat", "--dry-run")
    applied = run("sync_routes", "chat")

    assert planned.status == 0
    assert planned.stdout.splitlines() == [
        "~ Would update integration $default (an attribute differs)",
        "    timeout_in_millis: 5000 -> 29000",
        "+ Would create integration move (missing in AWS; declared by the additional route 'Moves')",
        "    POST https://www.example.com/m",
        "+ Would create route move (missing in AWS; declared by the additional route 'Moves')",
        "+ Would create deployment production (changes are served only after a deployment)",
        "! Unwanted route orders "
        "(no row and no view declares it; left alone, sync_routes --prune deletes it)",
    ]
    done = planned.stdout.replace("Would update", "Updated").replace("Would create", "Created")
    assert (applied.status, applied.stdout) == (0, done)


def test_without_a_name_every_gateway_in_aws_is_synced(aws: Any, chat: ApiGateway) -> None:
    run("create_gateway", "news", "--target", "https://news.example.com/ws/")
    ApiGatewayFactory.create(api_name="planned", planned=True)
    change_default(aws, chat.api_id, TimeoutInMillis=5000)

    checked = run("sync_routes", "--check")
    synced = run("sync_routes")

    assert checked.status == 1
    assert checked.stderr == "Not as wanted: chat. To fix it: manage.py sync_routes chat"
    assert synced.status == 0
    assert [line for line in synced.stdout.splitlines() if not line.startswith(" ")] == [
        "Gateway chat:",
        "~ Updated integration $default (an attribute differs)",
        "+ Created deployment production (changes are served only after a deployment)",
        "Gateway news:",
        "Nothing to do: gateway news is as it should be.",
        "! Gateway 'planned' does not exist in AWS yet. Run `manage.py create_gateway planned`.",
    ]


def test_one_of_several_that_fails_does_not_stop_the_others(aws: Any, chat: ApiGateway) -> None:
    run("create_gateway", "news", "--target", "https://news.example.com/ws/")
    news = ApiGateway.objects.get(api_name="news")
    aws.delete_api(ApiId=chat.api_id)
    change_default(aws, news.api_id, TimeoutInMillis=5000)

    ended = run("sync_routes")

    assert ended.status == 1
    assert "Gateway chat: AWS does not know API" in ended.stderr
    assert ended.stderr.endswith("Not synced: chat.")
    assert "~ Updated integration $default (an attribute differs)" in ended.stdout
    assert run("sync_routes", "news", "--check").status == 0


def test_json_has_the_documented_shape(aws: Any, chat: ApiGateway) -> None:
    change_default(aws, chat.api_id, TimeoutInMillis=5000)
    add_route(aws, chat.api_id, "orders", "https://www.example.com/orders")

    ended = run("sync_routes", "--check", "--format", "json")

    report = json.loads(ended.stdout)
    (gateway,) = report["gateways"]
    assert ended.status == 1
    assert report["drift"] is True
    assert set(gateway) >= {
        *("gateway", "drift", "steps", "left", "notes", "dry_run", "api_id", "socket_url"),
    }
    assert (gateway["gateway"], gateway["drift"], gateway["dry_run"]) == ("chat", True, True)
    assert gateway["steps"][0] == {
        "action": "update",
        "kind": "integration",
        "name": "$default",
        "reason": "an attribute differs",
        "changes": [{"attribute": "timeout_in_millis", "before": 5000, "after": 29000}],
    }
    assert [(step["action"], step["kind"], step["name"]) for step in gateway["left"]] == [
        ("delete", "route", "orders")
    ]
    assert json.loads(run("sync_routes", "--format", "json").stdout)["gateways"][0]["dry_run"] is False


@pytest.mark.parametrize(
    ("argv", "status", "message"),
    [
        pytest.param(("chatt",), 2, "There is no gateway 'chatt'. There is: 'planned'.", id="unknown"),
        pytest.param(("planned",), 1, "Run `manage.py create_gateway planned`.", id="not in AWS"),
    ],
)
def test_a_gateway_that_cannot_be_synced_is_named(argv: tuple[str, ...], status: int, message: str) -> None:
    ApiGatewayFactory.create(api_name="planned", planned=True)

    ended = run("sync_routes", *argv)

    assert (ended.status, ended.stdout) == (status, "")
    assert ended.stderr.endswith(message)


def test_no_gateway_is_nothing_to_do() -> None:
    ended = run("sync_routes", "--check")

    assert (ended.status, ended.stdout) == (0, "Nothing to do: there is no gateway.\n")


def test_a_gateway_that_was_never_created_is_no_clean_check(aws: Any, chat: ApiGateway) -> None:
    ApiGatewayFactory.create(api_name="planned", planned=True)
    why = "Gateway 'planned' does not exist in AWS yet. Run `manage.py create_gateway planned`."

    checked, synced = run("sync_routes", "--check"), run("sync_routes")
    reported = json.loads(run("sync_routes", "--check", "--format", "json").stdout)

    assert (checked.status, checked.stderr) == (1, "Not in AWS: planned.")
    assert (synced.status, synced.stderr) == (0, "")
    for ended in (checked, synced):
        assert ended.stdout.splitlines()[-1] == f"! {why}"
    assert reported["drift"] is True
    assert reported["skipped"] == [{"gateway": "planned", "reason": why}]


def test_json_names_the_gateway_that_failed(aws: Any, chat: ApiGateway) -> None:
    run("create_gateway", "news", "--target", "https://news.example.com/ws/")
    aws.delete_api(ApiId=chat.api_id)

    ended = run("sync_routes", "--check", "--format", "json")

    report = json.loads(ended.stdout)
    (failed,) = report["failed"]
    assert ended.status == 1
    assert [item["gateway"] for item in report["gateways"]] == ["news"]
    assert failed["gateway"] == "chat"
    assert failed["error"].startswith(f"AWS does not know API {chat.api_id!r}")


def test_import_is_advised_only_where_it_makes_a_row(aws: Any, chat: ApiGateway) -> None:
    row = ApiGatewayAdditionalRouteFactory.create(
        api_gateway=chat, route_key="move", integration_url="https://www.example.com/m", two_way=True
    )
    run("sync_routes")
    row.delete()
    run("sync_routes")
    ours = run("sync_routes", "--check")
    add_route(aws, chat.api_id, "orders", "https://www.example.com/orders")
    theirs = run("sync_routes", "--check")

    assert ours.stderr.endswith("manage.py sync_routes chat --prune")
    assert theirs.stderr.endswith("manage.py sync_routes chat --prune, or --import")


def test_an_api_deleted_behind_our_back_is_not_made_anew(aws: Any, chat: ApiGateway) -> None:
    aws.delete_api(ApiId=chat.api_id)

    ended = run("sync_routes")

    assert ended.status == 1
    assert "create it again: manage.py create_gateway chat --recreate" in ended.stderr
    assert aws.get_apis()["Items"] == []


def test_pruning_asks_first(aws: Any, chat: ApiGateway) -> None:
    add_route(aws, chat.api_id, "orders", "https://www.example.com/orders")

    asked = run("sync_routes", "--prune")
    pruned = run("sync_routes", "--prune", "--no-input")

    assert asked.status == 1
    assert "Gateway chat: delete route orders, integration" in asked.stderr
    assert "pass --no-input" in asked.stderr
    assert pruned.status == 0
    assert "- Deleted route orders (no row and no view declares it)" in pruned.stdout


def test_a_failed_deployment_says_why_and_leaves_the_running_one(
    aws: Any, chat: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    change_default(aws, chat.api_id, TimeoutInMillis=5000)
    store = django_local_gateway.gateway.store
    served = aws.get_stage(ApiId=chat.api_id, StageName="production")["DeploymentId"]

    store.deployment_fails = True
    failed = run("sync_routes")
    stage = aws.get_stage(ApiId=chat.api_id, StageName="production")
    store.deployment_fails = False
    mended = run("sync_routes")

    assert failed.status == 1
    why = "as FAILED: The local gateway is configured to fail deployments. "
    assert why + "What was deployed before" in failed.stderr
    assert stage["DeploymentId"] == served
    assert "+ Created deployment production (an earlier run was cut off before it)" in mended.stdout
    assert run("sync_routes", "--check").status == 0


def count_calls(handle: GatewayHandle, *argv: str) -> list[str]:
    calls: list[str] = []

    def note(call: Call) -> None:
        if call.phase == "received":
            calls.append(call.operation)

    handle.faults.on_call = note
    ended = run(*argv)
    handle.faults.on_call = None
    assert ended.status == 0, ended
    return calls


def test_a_sync_of_100_routes_makes_few_calls(
    aws: Any, chat: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    for number in range(100):
        ApiGatewayAdditionalRouteFactory.create(
            api_gateway=chat,
            route_key=f"route{number}",
            integration_url=f"https://www.example.com/{number}",
            two_way=number < 5,
        )
    assert run("sync_routes").status == 0

    unchanged = count_calls(django_local_gateway, "sync_routes")
    route = ApiGatewayAdditionalRoute.objects.get(route_key="route50")
    route.integration_url = "https://www.example.com/elsewhere"
    route.save()
    changed = count_calls(django_local_gateway, "sync_routes")
    deep = count_calls(django_local_gateway, "sync_routes", "--deep")

    two_way = 6  # $default and five of the hundred
    assert unchanged.count("GetRouteResponses") == two_way
    assert len(unchanged) - two_way <= 12
    assert len(changed) - len(unchanged) <= 4
    assert deep.count("GetRouteResponses") == 103


def test_a_wait_says_what_it_waits_for(settings: Any) -> None:
    with local_gateway(deployment_seconds=0.3) as gateway:
        settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": gateway.endpoint_url}
        run("create_gateway", "chat", *TARGET)
        ApiGateway.objects.update(two_way=False)
        ended = run("sync_routes", "chat", "--no-input")

    assert ended.status == 0
    assert "waiting until deployment" in ended.stderr


def test_a_route_that_shared_its_integration_is_said_to_get_a_new_one(aws: Any, chat: ApiGateway) -> None:
    items = aws.get_integrations(ApiId=chat.api_id)["Items"]
    default = next(item for item in items if item["IntegrationUri"].endswith("/default"))
    target = f"integrations/{default['IntegrationId']}"
    aws.create_route(ApiId=chat.api_id, RouteKey="orders", Target=target)

    planned = run("sync_routes", "chat", "--dry-run")

    assert f'    integration_id: "{default["IntegrationId"]}" -> the new one' in planned.stdout.splitlines()
