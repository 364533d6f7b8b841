"""The page of a gateway's plan, against the local gateway's control plane."""

from __future__ import annotations

import re
from typing import Any

import boto3
import pytest
from django.contrib.admin.models import LogEntry

from tests.admin.clients import act, address, client_with, text_of
from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.confirming import Means, means_to_apply
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db

EDITOR = ("view_apigateway", "change_apigateway", "provision_apigateway")


@pytest.fixture
def gateway(django_local_gateway: GatewayHandle) -> ApiGateway:
    return ApiGatewayFactory.create(planned=True, api_name="chat")


def fingerprint_of(page: str) -> str:
    found = re.search(r'name="fingerprint" value="(\w+)"', page)
    assert found is not None
    return found[1]


def test_the_plan_is_shown_and_the_very_same_is_applied(gateway: ApiGateway) -> None:
    client, url = client_with(*EDITOR), address("plan", gateway.pk)

    page = text_of(client.get(url))
    gateway.refresh_from_db()
    assert not gateway.api_id
    done = client.post(url, {"fingerprint": fingerprint_of(page)}, follow=True)

    gateway.refresh_from_db()
    assert "+ Would create api chat" in page
    assert "Done:" in text_of(done)
    assert gateway.api_created
    assert "Nothing to do" in text_of(client.get(url))
    assert "Applied a plan of" in LogEntry.objects.get().get_change_message()


def test_a_plan_that_changed_meanwhile_is_not_applied(gateway: ApiGateway) -> None:
    client, url = client_with(*EDITOR), address("plan", gateway.pk)
    seen = fingerprint_of(text_of(client.get(url)))
    ApiGateway.objects.update(stage_name="other")

    answer = client.post(url, {"fingerprint": seen}, follow=True)

    assert "The plan has changed since it was shown, so nothing was done." in text_of(answer)
    assert not ApiGateway.objects.get().api_id


def test_no_secret_stands_in_the_plan(gateway: ApiGateway) -> None:
    client, url = client_with(*EDITOR), address("plan", gateway.pk)
    client.post(url, {"fingerprint": fingerprint_of(text_of(client.get(url)))})
    ApiGateway.objects.update(target_base_endpoint="https://new.example.com/")

    page = text_of(client.get(url))

    assert "new.example.com" in page
    assert "wsOriginSecret" not in page


def test_without_a_queue_and_away_from_the_local_gateway_the_command_is_named(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": "http://127.0.0.1:9"}
    assert means_to_apply() is Means.AT_ONCE
    settings.WEBSOCKET_GATEWAY = {}
    assert means_to_apply() is Means.COMMAND
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat")

    answer = client_with(*EDITOR).post(address("plan", gateway.pk), {"fingerprint": "x"})

    assert answer.status_code == 302
    assert not ApiGateway.objects.get().last_error


def test_what_aws_refuses_is_a_message(settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": "http://127.0.0.1:9"}
    gateway = ApiGatewayFactory.create(planned=True, target_base_endpoint="https://evil.example.net/")
    settings.WEBSOCKET_GATEWAY = {
        "ENDPOINT_URL": "http://127.0.0.1:9",
        "ALLOWED_TARGET_HOSTS": ["example.com"],
    }
    client, url = client_with(*EDITOR), address("plan", gateway.pk)

    shown, posted = client.get(url), client.post(url, {"fingerprint": "x"}, follow=True)

    assert shown.status_code == posted.status_code == 200
    assert "so it must not receive the origin secret" in text_of(shown)
    assert "so it must not receive the origin secret" in text_of(posted)
    assert "so it must not receive the origin secret" in ApiGateway.objects.get().last_error


@pytest.mark.parametrize("offered", [True, False])
def test_provisioning_needs_the_permission_and_the_setting(
    gateway: ApiGateway, settings: Any, offered: bool
) -> None:
    settings.WEBSOCKET_GATEWAY = {**settings.WEBSOCKET_GATEWAY, "ADMIN_PROVISIONING": offered}
    url, change = address("plan", gateway.pk), address("apigateway_change", gateway.pk)

    with_it, without = client_with(*EDITOR), client_with("view_apigateway", "change_apigateway")

    assert with_it.get(url).status_code == (200 if offered else 403)
    assert without.get(url).status_code == 403
    assert without.post(url, {"fingerprint": "x"}).status_code == 403
    assert ("Create in AWS" in text_of(with_it.get(change))) is offered
    assert "Create in AWS" not in text_of(without.get(change))


def test_the_list_says_how_each_gateway_stands(gateway: ApiGateway) -> None:
    failed = ApiGatewayFactory.create(api_name="failed", last_error="AccessDenied: no")
    WebSocketSessionFactory.create(api_gateway=failed)

    page = text_of(client_with(*EDITOR).get(address("apigateway_changelist")))

    assert "not created yet" in page
    assert "failed: AccessDenied: no" in page
    assert f'websocketsession/?gateway={failed.pk}">1</a>' in page


def test_a_check_says_what_differs_and_the_list_keeps_it(gateway: ApiGateway) -> None:
    client, url = client_with(*EDITOR), address("plan", gateway.pk)
    client.post(url, {"fingerprint": fingerprint_of(text_of(client.get(url)))})

    fine = text_of(act(client, "compare", gateway))
    ApiGateway.objects.update(api_description="changed")
    differs = text_of(act(client, "compare", gateway))

    assert "Gateway chat is in AWS as it should be." in fine
    assert "AWS differs from what is wanted: api." in differs
    assert "1 difference" in differs


def test_actions_lead_to_the_plan_of_one_gateway(gateway: ApiGateway) -> None:
    other, client = ApiGatewayFactory.create(domain_name="ws.example.com"), client_with(*EDITOR)

    assert act(client, "create_or_sync", gateway).redirect_chain[0][0] == address("plan", gateway.pk)
    assert "Choose one gateway" in text_of(act(client, "create_or_sync", gateway, other))
    assert "Fill in the custom domain" in text_of(act(client, "create_custom_domain", gateway))


def test_a_gateway_that_is_gone_is_no_error() -> None:
    answer = client_with(*EDITOR).get(address("plan", 4711), follow=True)

    assert "This gateway does not exist any more." in text_of(answer)


def test_what_is_deleted_in_aws_is_listed_above_the_button(
    gateway: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    client, url = client_with(*EDITOR), address("plan", gateway.pk)
    client.post(url, {"fingerprint": fingerprint_of(text_of(client.get(url)))})
    gateway.refresh_from_db()
    aws: Any = boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)
    aws.update_stage(
        ApiId=gateway.api_id,
        StageName=gateway.stage_name,
        RouteSettings={"$default": {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 5.0}},
    )

    page = text_of(client.get(url))

    assert "This deletes in AWS: route settings $default." in page
    assert "wsg-dangerous" in page


def test_what_was_changed_in_aws_is_imported_into_the_row(gateway: ApiGateway, settings: Any) -> None:
    client, url = client_with(*EDITOR), address("plan", gateway.pk)
    client.post(url, {"fingerprint": fingerprint_of(text_of(client.get(url)))})
    gateway.refresh_from_db()
    control = boto3.client(
        "apigatewayv2", endpoint_url=settings.WEBSOCKET_GATEWAY["ENDPOINT_URL"], region_name="eu-west-1"
    )
    control.update_api(ApiId=gateway.api_id, Description="written in the console")
    assert "?import_changes=1" in text_of(client.get(url))

    chosen = act(client, "import_from_aws", gateway)
    page = text_of(client.get(url, {"import_changes": "1"}))
    gateway.refresh_from_db()
    assert gateway.api_description != "written in the console"
    client.post(url, {"fingerprint": fingerprint_of(page), "import_changes": "1"})

    gateway.refresh_from_db()
    assert "Import from AWS" in text_of(chosen)
    assert gateway.api_description == "written in the console"
    assert control.get_api(ApiId=gateway.api_id)["Description"] == "written in the console"
    assert "Nothing to do" in text_of(client.get(url))


def test_import_of_a_gateway_without_api_says_how_to_take_one_over(gateway: ApiGateway) -> None:
    answer = act(client_with(*EDITOR), "import_from_aws", gateway)

    assert "manage.py create_gateway chat --adopt API_ID" in text_of(answer)


def test_import_needs_the_permission_to_provision(gateway: ApiGateway) -> None:
    client = client_with("view_apigateway", "change_apigateway")

    assert client.get(address("plan", gateway.pk), {"import_changes": "1"}).status_code == 403
