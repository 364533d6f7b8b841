"""What `sync_routes` refuses, and what AWS refuses it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from django.test import override_settings

from tests.commands.changes import change_default
from tests.factories import ApiGatewayAdditionalRouteFactory
from tests.support.commands import TARGET, run
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db


def test_options_that_contradict_each_other_are_usage_errors() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "django", "sync_routes", "--check", "--dry-run"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "not allowed with argument" in ended.stderr


def test_more_routes_than_aws_allows_are_refused_before_anything_is_done(aws: Any, chat: ApiGateway) -> None:
    for number in range(298):
        ApiGatewayAdditionalRouteFactory.create(
            api_gateway=chat, route_key=f"r{number}", integration_url="https://www.example.com/x"
        )

    ended = run("sync_routes")

    assert (ended.status, ended.stdout) == (1, "")
    assert ended.stderr == "Gateway 'chat': 301 routes are wanted; AWS allows 300 for one API."


def test_a_route_key_with_a_dollar_is_refused(aws: Any, chat: ApiGateway) -> None:
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=chat, route_key="$orders", integration_url="https://www.example.com/x"
    )

    ended = run("sync_routes")

    assert ended.status == 1
    assert "route key '$orders' is not allowed: keys that begin with $ belong to AWS" in ended.stderr


@pytest.mark.parametrize(
    ("row", "tags", "message"),
    [
        pytest.param(
            {"team": "web"},
            {"team": "ops"},
            "Tag 'team' of gateway 'chat' is 'web' in the row and 'ops' in",
            id="conflict",
        ),
        pytest.param(
            {f"row{number}": "x" for number in range(30)},
            {f"tag{number}": "x" for number in range(30)},
            "has 60 tags in row and settings",
            id="too many",
        ),
    ],
)
def test_row_and_settings_must_not_contradict_each_other(
    chat: ApiGateway, settings: Any, row: dict[str, str], tags: dict[str, str], message: str
) -> None:
    ApiGateway.objects.update(tags=row)
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "GATEWAYS": {"chat": {"TAGS": tags}}}

    ended = run("sync_routes")

    assert (ended.status, ended.stdout) == (1, "")
    assert message in ended.stderr


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("CreateIntegration", "apigateway:POST"),
        ("UpdateIntegration", "apigateway:PATCH"),
        ("GetDeployment", "apigateway:GET"),
        ("TagResource", "apigateway:POST and apigateway:PUT and apigateway:PATCH"),
    ],
)
def test_a_missing_permission_in_the_middle_is_named_and_the_rest_done_later(
    aws: Any, chat: ApiGateway, django_local_gateway: GatewayHandle, operation: str, action: str
) -> None:
    change_default(aws, chat.api_id, TimeoutInMillis=5000)
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=chat, route_key="move", integration_url="https://www.example.com/m"
    )
    ApiGateway.objects.update(tags={"team": "web"})
    faults = django_local_gateway.faults

    faults.control_errors = {operation: (403, "AccessDeniedException")}
    refused = run("sync_routes")
    faults.control_errors = {}
    row = ApiGateway.objects.get()
    done = run("sync_routes")

    assert refused.status == 1
    assert f"{operation}: AWS answered AccessDeniedException" in refused.stderr
    assert f"The IAM policy of the credentials in use must allow {action}." in refused.stderr
    assert row.lease_holder == ""
    assert done.status == 0
    assert run("sync_routes", "--check").status == 0


def test_two_installations_with_one_name_never_touch_each_other_s_api(aws: Any, chat: ApiGateway) -> None:
    before = json.dumps(_everything(aws, chat.api_id), default=str)
    ApiGateway.objects.all().delete()

    with override_settings(SECRET_KEY="the other installation"):
        created = run("create_gateway", "chat", *TARGET)
        other = ApiGateway.objects.get()
        synced = run("sync_routes", "--prune", "--no-input")

    assert created.status == 0, created
    assert f"API {chat.api_id} has the same name, belongs to another installation" in created.stderr
    assert synced.status == 0
    assert other.api_id != chat.api_id
    assert json.dumps(_everything(aws, chat.api_id), default=str) == before
    assert len(aws.get_apis()["Items"]) == 2


def _everything(aws: Any, api_id: str) -> list[Any]:
    return [
        aws.get_api(ApiId=api_id)["Tags"],
        aws.get_routes(ApiId=api_id)["Items"],
        aws.get_integrations(ApiId=api_id)["Items"],
        aws.get_stages(ApiId=api_id)["Items"],
        aws.get_deployments(ApiId=api_id)["Items"],
    ]
