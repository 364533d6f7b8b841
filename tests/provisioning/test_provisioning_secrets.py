"""No secret in anything that a person or a log could see: searched for in all of it."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from django.test import override_settings

from tests.support.commands import run
from websocket_gateway.aws.apis import Apis
from websocket_gateway.exceptions import InvalidRequestError
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import origin_secret
from websocket_gateway.provisioning.gateways import plan_provisioning
from websocket_gateway.provisioning.plan import Choices
from websocket_gateway.resources import Integration
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db
TARGET = ("--target", "https://www.example.com/ws/")
KEY = "a SECRET_KEY that nobody may see"
FORGED = "somebody-else-s-secret"


@pytest.fixture(autouse=True)
def every_log_line(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="websocket_gateway")
    return caplog


@override_settings(SECRET_KEY=KEY)
def test_no_output_repr_or_log_holds_a_secret(
    django_local_gateway: GatewayHandle, every_log_line: pytest.LogCaptureFixture
) -> None:
    aws: Any = boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)
    seen = [run("create_gateway", "chat", *TARGET, "--dry-run"), run("create_gateway", "chat", *TARGET)]
    row = ApiGateway.objects.get()
    item = aws.get_integrations(ApiId=row.api_id)["Items"][0]
    name = "integration.request.header."
    aws.update_integration(
        ApiId=row.api_id,
        IntegrationId=item["IntegrationId"],
        RequestParameters={f"{name}wsOriginSecret": f"'{FORGED}'", f"{name}gateway_secret": f"'{FORGED}'"},
    )
    planned = plan_provisioning(row, choices=Choices(prune=True, import_changes=True, deep=True))
    for options in ((), ("--format", "json"), ("--import", "--dry-run"), ("--check", "--format", "json")):
        seen.append(run("sync_routes", "chat", *(options or ("--dry-run",))))
    django_local_gateway.faults.control_errors = {"UpdateIntegration": (400, "BadRequestException")}
    seen.append(run("sync_routes", "chat"))

    told = [repr(ended) for ended in seen]
    told += [
        repr(planned),
        repr(planned.apis),
        repr(planned.plan),
        repr(planned.observed),
        repr(row.__dict__),
    ]
    told += [record.getMessage() for record in every_log_line.records]
    assert origin_secret(row.api_id) in repr(aws.get_integrations(ApiId=row.api_id)), (
        "the search would find it"
    )
    for secret in (origin_secret(row.api_id), KEY, FORGED):
        assert [text for text in told if secret in text] == []


def test_a_refusal_that_quotes_the_secret_is_told_without_it() -> None:
    client: Any = boto3.client("apigatewayv2", "eu-west-1")
    secret = origin_secret("a1")
    apis = Apis(region="eu-west-1", client=client, origin_secret=origin_secret)
    wanted = Integration(description="", integration_uri="https://www.example.com/", integration_id="i1")

    with Stubber(client) as stubber:
        for operation in ("create_integration", "update_integration"):
            stubber.add_client_error(
                operation,
                "BadRequestException",
                f"Invalid mapping expression specified: '{secret}'",
                http_status_code=400,
            )
        with pytest.raises(InvalidRequestError) as created:
            apis.create_integration("a1", replace(wanted, integration_id=""))
        with pytest.raises(InvalidRequestError) as updated:
            apis.update_integration("a1", wanted, stale={})

    for raised in (created, updated):
        whole = "".join(traceback.format_exception(raised.value))
        assert "Invalid mapping expression specified: '(secret)'" in whole
        assert secret not in whole
        assert raised.value.status == 400
