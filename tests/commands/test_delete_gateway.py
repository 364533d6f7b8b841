"""`delete_gateway`: what it takes away, what it leaves, and what it says."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory, WebSocketSessionFactory
from tests.support.commands import run
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute, WebSocketSession
from websocket_gateway.resources import INSTALLATION_TAG
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def aws(django_local_gateway: GatewayHandle) -> Any:
    return boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)


@pytest.fixture
def gateway(aws: Any) -> ApiGateway:
    created = run("create_gateway", "chat", "--target", "https://www.example.com/ws/")
    assert created.status == 0, created
    return ApiGateway.objects.get()


def test_api_row_routes_and_sessions_go(aws: Any, gateway: ApiGateway) -> None:
    ApiGatewayAdditionalRouteFactory.create(api_gateway=gateway)
    WebSocketSessionFactory.create_batch(3, api_gateway=gateway)
    other = WebSocketSessionFactory.create()

    ended = run("delete_gateway", "chat", "--no-input")

    assert ended.status == 0, ended
    assert ended.stdout == (
        f"- Deleted api chat ({gateway.api_id}) (the gateway is to go)\n"
        "- Deleted record chat (with its routes and sessions)\n"
    )
    assert aws.get_apis()["Items"] == []
    assert not ApiGatewayAdditionalRoute.objects.exists()
    assert WebSocketSession.objects.get() == other


def test_again_there_is_nothing_to_do(aws: Any, gateway: ApiGateway) -> None:
    run("delete_gateway", "chat", "--no-input")

    ended = run("delete_gateway", "chat", "--no-input")

    assert (ended.status, ended.stdout) == (
        0,
        "Nothing to do. There is no gateway 'chat'. There is none yet.\n",
    )


def test_the_record_can_be_kept_and_the_gateway_made_anew_from_it(aws: Any, gateway: ApiGateway) -> None:
    route = ApiGatewayAdditionalRouteFactory.create(api_gateway=gateway, deployed=True)
    session = WebSocketSessionFactory.create(api_gateway=gateway)

    ended = run("delete_gateway", "chat", "--keep-record", "--no-input")
    again = run("delete_gateway", "chat", "--keep-record", "--no-input")

    gateway.refresh_from_db()
    session.refresh_from_db()
    assert ended.status == 0, ended
    assert aws.get_apis()["Items"] == []
    assert (gateway.api_id, gateway.api_endpoint, gateway.deployment_id, gateway.api_created) == (
        "", "", "", False,
    )  # fmt: skip
    assert not session.connected
    assert ApiGatewayAdditionalRoute.objects.get() == route
    assert again.stdout == "Nothing to do. Gateway 'chat' is not in AWS.\n"
    assert run("create_gateway", "chat").status == 0
    assert len(aws.get_apis()["Items"]) == 1


def test_the_plan_is_shown_and_nothing_happens(aws: Any, gateway: ApiGateway) -> None:
    text = run("delete_gateway", "chat", "--dry-run")
    report = json.loads(run("delete_gateway", "chat", "--dry-run", "--format", "json").stdout)

    assert f"- Would delete api chat ({gateway.api_id})" in text.stdout
    assert "- Would delete record chat" in text.stdout
    assert [(step["action"], step["kind"]) for step in report["steps"]] == [
        ("delete", "api"),
        ("delete", "record"),
    ]
    assert report["dry_run"] is True
    assert len(aws.get_apis()["Items"]) == 1
    assert ApiGateway.objects.exists()


def test_without_a_terminal_it_asks_for_no_input(aws: Any, gateway: ApiGateway) -> None:
    ended = run("delete_gateway", "chat")

    assert ended.status == 1
    assert "Delete gateway chat? All its clients are disconnected." in ended.stderr
    assert "pass --no-input" in ended.stderr
    assert len(aws.get_apis()["Items"]) == 1


def test_an_api_that_was_deleted_behind_our_back_does_not_stop_it(aws: Any, gateway: ApiGateway) -> None:
    aws.delete_api(ApiId=gateway.api_id)

    ended = run("delete_gateway", "chat", "--no-input")

    assert (ended.status, ended.stdout) == (0, "- Deleted record chat (with its routes and sessions)\n")
    assert not ApiGateway.objects.exists()


def test_a_gateway_that_was_never_created_loses_its_row(aws: Any) -> None:
    ApiGatewayFactory.create(api_name="draft", api_id="", api_endpoint="", region_name="")

    ended = run("delete_gateway", "draft", "--no-input")

    assert ended.stdout == "- Deleted record draft (with its routes and sessions)\n"
    assert not ApiGateway.objects.exists()


def test_an_api_of_another_installation_is_left_alone(aws: Any, gateway: ApiGateway) -> None:
    arn = f"arn:aws:apigateway:eu-west-1::/apis/{gateway.api_id}"
    aws.tag_resource(ResourceArn=arn, Tags={INSTALLATION_TAG: "0" * 16})

    ended = run("delete_gateway", "chat", "--no-input")

    assert ended.status == 1
    assert "belongs to another installation" in ended.stderr
    assert len(aws.get_apis()["Items"]) == 1
    assert ApiGateway.objects.exists()


def test_a_refusal_in_the_middle_names_the_action_and_the_next_run_goes_on(
    aws: Any, gateway: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    faults = django_local_gateway.faults
    faults.control_errors = {"DeleteApi": (403, "AccessDeniedException")}

    refused = run("delete_gateway", "chat", "--no-input")
    faults.control_errors = {}
    finished = run("delete_gateway", "chat", "--no-input")

    assert refused.status == 1
    assert "apigateway:DELETE" in refused.stderr
    assert finished.status == 0, finished
    assert aws.get_apis()["Items"] == []
