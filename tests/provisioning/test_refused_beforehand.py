"""What AWS would refuse or ignore in the middle of a run is refused before anything is changed."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path, set_script_prefix

from tests.commands.domains import CREATE, DOMAIN
from tests.support.commands import run
from tests.support.moto import Moto, moto_fixture, moto_server_fixture
from websocket_gateway.local.options import Call
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle
from websocket_gateway.views import WebSocketView

__all__ = ["moto_fixture", "moto_server_fixture"]

pytestmark = pytest.mark.django_db(transaction=True)

ARN = "arn:aws:logs:eu-west-1:123456789012:log-group:ws"
LOGS = {"ACCESS_LOG_ARN": ARN, "ACCESS_LOG_FORMAT": "$context.requestId"}


class MovesView(WebSocketView):
    """Serves two routes of its own."""

    websocket_route_keys = ("move",)


class LobbyView(WebSocketView):
    """The target of the gateway."""


def anything(request: HttpRequest, rest: str) -> HttpResponse:
    return HttpResponse()


@pytest.fixture
def changes(django_local_gateway: GatewayHandle) -> list[str]:
    """The calls that change something."""
    made: list[str] = []

    def note(call: Call) -> None:
        if call.phase == "received" and not call.operation.startswith("Get"):
            made.append(call.operation)

    django_local_gateway.faults.on_call = note
    return made


def configure(settings: Any, **options: object) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "GATEWAYS": {"chat": options}}


@pytest.mark.parametrize("options", [{"LOGGING_LEVEL": "ERROR"}, LOGS], ids=["level", "access log"])
def test_logs_without_the_account_s_role_are_refused_and_nothing_is_changed(
    django_local_gateway: GatewayHandle, changes: list[str], settings: Any, options: dict[str, Any]
) -> None:
    assert run(*CREATE).status == 0
    ApiGateway.objects.update(api_description="to be changed")
    configure(settings, **options)
    django_local_gateway.faults.no_log_role = True
    changes.clear()

    refused = run("sync_routes")
    django_local_gateway.faults.no_log_role = False
    mended = run("sync_routes")
    django_local_gateway.faults.no_log_role = True
    again = run("sync_routes", "--check")

    assert refused.status == 1
    assert "API Gateway has no CloudWatch role in region eu-west-1. Set one: aws api" in refused.stderr
    assert (mended.status, again.status) == (0, 0), again
    assert changes[:2] == ["UpdateApi", "UpdateStage"]


def test_a_new_gateway_with_logs_and_without_the_role_is_not_begun(
    django_local_gateway: GatewayHandle, changes: list[str], settings: Any
) -> None:
    configure(settings, LOGGING_LEVEL="INFO")
    django_local_gateway.faults.no_log_role = True

    ended = run(*CREATE)

    assert (ended.status, changes, ApiGateway.objects.count()) == (1, [], 0)
    assert "no CloudWatch role" in ended.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"ACCESS_LOG_ARN": ARN}, "has ACCESS_LOG_ARN and no ACCESS_LOG_FORMAT"),
        ({"ACCESS_LOG_FORMAT": "$context.requestId"}, "has ACCESS_LOG_FORMAT and no ACCESS_LOG_ARN"),
        ({**LOGS, "ACCESS_LOG_FORMAT": "$context.requestIdentity"}, "must contain $context.requestId"),
    ],
    ids=["no format", "no group", "no id"],
)
def test_an_access_log_that_is_half_configured_is_refused(
    changes: list[str], settings: Any, options: dict[str, Any], said: str
) -> None:
    configure(settings, **options)

    ended = run(*CREATE)

    assert (ended.status, changes, ApiGateway.objects.count()) == (1, [], 0)
    assert said in ended.stderr


def test_a_private_hosted_zone_is_refused_and_can_still_be_left(
    changes: list[str], moto: Moto, settings: Any
) -> None:
    moto.import_certificate(DOMAIN)
    vpc = {"VPCRegion": "eu-west-1", "VPCId": "vpc-12345678"}
    zone = moto.route53.create_hosted_zone(
        Name="example.com", CallerReference="private", VPC=vpc, HostedZoneConfig={"PrivateZone": True}
    )["HostedZone"]["Id"].removeprefix("/hostedzone/")

    ended = run(*CREATE, "--domain", DOMAIN, "--hosted-zone-id", zone)

    assert (ended.status, changes, ApiGateway.objects.count()) == (1, [], 0)
    assert f"hosted zone {zone} (example.com) is private" in ended.stderr
    assert run(*CREATE, "--domain", DOMAIN).status == 0
    ApiGateway.objects.update(hosted_zone_id=zone)
    assert run("delete_gateway", "chat", "--no-input").status == 0


@pytest.mark.parametrize(
    ("target", "script_prefix", "url"),
    [
        ("https://www.example.com/app/ws/", "/", "https://www.example.com/app/moves/default"),
        ("https://www.example.com/a/b%20c/ws/", "/", "https://www.example.com/a/b%20c/moves/default"),
        ("https://www.example.com/ws/", "/", "https://www.example.com/moves/default"),
        ("https://www.example.com/elsewhere/", "/", "https://www.example.com/moves/default"),
        ("https://www.example.com/app/ws/", "/app/", "https://www.example.com/app/moves/default"),
    ],
)
def test_routes_of_views_are_behind_the_prefix_of_the_target(
    django_local_gateway: GatewayHandle, settings: Any, target: str, script_prefix: str, url: str
) -> None:
    patterns = [
        path("ws/<slug:route>", LobbyView.as_view()),
        path("moves/<slug:route>", MovesView.as_view()),
        path("<path:rest>", anything),
    ]
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": patterns})
    set_script_prefix(script_prefix)
    try:
        assert run("create_gateway", "chat", "--target", target).status == 0
    finally:
        set_script_prefix("/")

    aws: Any = boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)
    items = aws.get_integrations(ApiId=ApiGateway.objects.get().api_id)["Items"]
    assert url in [item["IntegrationUri"] for item in items]
