"""The probes one by one, against servers that answer in every way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
from django.core.checks import CheckMessage
from django.utils import timezone

from tests.diagnostics.servers import IDENTITY, Answering, answering
from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from tests.sink import running_sink
from tests.support.commands import run
from websocket_gateway.aws.clients import forget_clients
from websocket_gateway.checks.messages import fact, is_finding
from websocket_gateway.diagnostics.aws import probe_credentials, probe_plan, probe_posting
from websocket_gateway.diagnostics.callback import probe_callback
from websocket_gateway.diagnostics.database import probe_database, probe_purging
from websocket_gateway.diagnostics.domain import probe_dns, resolve
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db


@pytest.fixture
def target() -> Iterator[Answering]:
    with answering(status=403) as server:
        yield server


def findings(answer: list[CheckMessage]) -> list[CheckMessage]:
    return [message for message in answer if is_finding(message)]


def facts(answer: list[CheckMessage]) -> list[str]:
    return [message.msg for message in answer if not is_finding(message)]


def numbers(answer: list[CheckMessage]) -> list[str]:
    return [str(finding.id).rpartition(".")[2] for finding in findings(answer)]


def gateway(url: str = "https://www.example.com", **fields: Any) -> ApiGateway:
    made: ApiGateway = ApiGatewayFactory.create(target_base_endpoint=f"{url}/ws/", **fields)
    return made


def test_a_target_that_refuses_unsigned_calls_is_as_it_should_be(target: Answering) -> None:
    row = gateway(target.url)

    answer = probe_callback(row)

    assert findings(answer) == []
    assert facts(answer) == [f"gateway {row.api_name}: {target.url}/ws/connect refuses unsigned calls"]
    ((method, path, headers),) = target.requests
    assert (method, path) == ("POST", "/ws/connect")
    assert headers["X-Amzn-Apigateway-Api-Id"] == row.api_id
    assert not any("secret" in name.lower() for name in headers)


@pytest.mark.parametrize(
    ("status", "number"),
    [
        pytest.param(301, "E111", id="a redirect"),
        pytest.param(200, "E112", id="accepted"),
        pytest.param(400, "E113", id="a host that is not allowed"),
        pytest.param(404, "E113", id="nothing there"),
        pytest.param(502, "E113", id="a proxy without a backend"),
    ],
)
def test_another_status_of_the_target_is_a_finding(status: int, number: str, target: Answering) -> None:
    target.status, target.headers = status, {"Location": f"{target.url}/elsewhere"}

    answer = probe_callback(gateway(target.url))

    assert numbers(answer) == [number]
    assert str(status) in findings(answer)[0].msg
    assert len(target.requests) == 1  # no redirect is followed


def test_without_a_secret_to_ask_for_the_target_cannot_refuse(target: Answering, settings: Any) -> None:
    settings.WEBSOCKET_GATEWAY = {"ORIGIN_SECRET_REQUIRED": False}
    target.status = 400

    assert numbers(probe_callback(gateway(target.url))) == ["W113"]


def test_what_the_target_says_is_not_shown(target: Answering) -> None:
    target.status, target.body = 500, b"internal detail"

    (finding,) = findings(probe_callback(gateway(target.url)))

    assert "internal detail" not in finding.msg + str(finding.hint)


def test_a_target_that_cannot_be_reached_is_a_finding() -> None:
    with answering() as gone:
        url = gone.url

    assert numbers(probe_callback(gateway(url))) == ["E110"]


def test_the_machines_own_cloud_is_not_called() -> None:
    answer = probe_callback(gateway("http://169.254.169.254"))

    assert numbers(answer) == ["E109"]


@pytest.mark.parametrize(
    ("status", "number"),
    [
        pytest.param(410, None, id="gone: we may post"),
        pytest.param(400, None, id="no such id: we may post"),
        pytest.param(403, "E106", id="not allowed"),
        pytest.param(500, "E107", id="broken"),
        pytest.param("drop", "E107", id="no answer"),
    ],
)
def test_permission_to_post_is_told_by_the_answer(status: Any, number: str | None) -> None:
    with running_sink() as sink:
        row = sink.gateway()
        sink.on_request = lambda connection_id: sink.answers.setdefault(connection_id, status)

        answer = probe_posting(row)

    assert numbers(answer) == ([number] if number else [])
    assert bool(facts(answer)) is (number is None)


def test_a_gateway_that_differs_in_aws_is_a_finding(django_local_gateway: GatewayHandle) -> None:
    row = gateway()

    (finding,) = findings(probe_plan(row))

    assert finding.id == "websocket_gateway.E105"  # the stored API is not there
    assert finding.obj == row
    assert f"sync_routes {row.api_name} --check" in str(finding.hint)


@pytest.mark.django_db(transaction=True)
def test_what_differs_in_aws_is_a_finding_and_what_does_not_is_none(
    django_local_gateway: GatewayHandle,
) -> None:
    run("create_gateway", "chat", "--target", "https://www.example.com/ws/")
    row = ApiGateway.objects.get()
    before = probe_plan(row)
    row.stage_description = "another one"

    after = probe_plan(row)

    where = django_local_gateway.endpoint_url
    assert facts(before) == [f"gateway chat: {where} has what is wanted"]
    assert numbers(after) == ["W111"]
    assert findings(after)[0].msg == "AWS differs from what is wanted: stage."


@pytest.mark.django_db(transaction=True)
def test_what_is_left_in_aws_is_gone_after_the_command_of_the_hint(
    django_local_gateway: GatewayHandle,
) -> None:
    run("create_gateway", "chat", "--target", "https://www.example.com/ws/")
    row = ApiGateway.objects.get()
    control = boto3.client(
        "apigatewayv2", endpoint_url=django_local_gateway.endpoint_url, region_name="eu-west-1"
    )
    control.create_route(ApiId=row.api_id, RouteKey="stray")

    (finding,) = findings(probe_plan(row))
    assert finding.hint == (
        "Run `manage.py sync_routes chat --prune --dry-run` to see it, then without --dry-run."
    )
    assert run("sync_routes", "chat", "--prune", "--no-input").status == 0

    where = django_local_gateway.endpoint_url
    assert facts(probe_plan(ApiGateway.objects.get())) == [f"gateway chat: {where} has what is wanted"]


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    with answering(body=IDENTITY, headers={"Content-Type": "text/xml"}) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        forget_clients()
        yield server
    forget_clients()


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        pytest.param(0, [], id="right"),
        pytest.param(60, ["W110"], id="a minute off"),
        pytest.param(-600, ["E104"], id="too far off for signatures"),
    ],
)
def test_whose_credentials_in_which_region_and_what_time_it_is(
    ahead: float, expected: list[str], sts: Answering
) -> None:
    sts.time = time.time() - ahead

    answer = probe_credentials()

    assert facts(answer) == ["credentials of arn:aws:iam::123456789012:role/web", "region eu-west-1"]
    assert numbers(answer) == expected


def test_credentials_that_aws_does_not_know_are_a_finding(sts: Answering) -> None:
    sts.status = 403
    sts.body = b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>"

    assert numbers(probe_credentials()) == ["E103"]


def test_the_local_gateway_without_credentials_is_as_it_should_be_and_sts_is_not_asked(
    sts: Answering, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": "http://127.0.0.1:9000"}

    answer = probe_credentials()

    assert answer == [fact("no AWS credentials: http://127.0.0.1:9000 needs none")]
    assert sts.requests == []


def test_credentials_of_ones_own_are_asked_about_beside_a_local_gateway(
    sts: Answering, settings: Any
) -> None:
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": "http://127.0.0.1:9000"}

    assert facts(probe_credentials())[0] == "credentials of arn:aws:iam::123456789012:role/web"


def test_a_domain_that_leads_to_its_target_is_as_it_should_be() -> None:
    row = gateway(domain_name="localhost", api_gateway_domain_name="127.0.0.1")

    assert findings(probe_dns(row)) == []


def test_a_domain_that_leads_elsewhere_is_a_finding() -> None:
    row = gateway(domain_name="127.0.0.1", api_gateway_domain_name="127.0.0.2")

    assert numbers(probe_dns(row)) == ["W112"]


def test_a_domain_that_dns_does_not_know_is_a_finding() -> None:
    row = gateway(domain_name="no..host", api_gateway_domain_name="127.0.0.1")

    assert resolve("no..host") == set()
    assert numbers(probe_dns(row)) == ["E108"]


def test_a_migrated_database_is_as_it_should_be() -> None:
    assert probe_database() == []


def test_sessions_that_nobody_purges_are_a_finding() -> None:
    WebSocketSessionFactory.create(ended=True, disconnected_on=timezone.now() - timedelta(days=7, hours=23))
    before = probe_purging()
    WebSocketSessionFactory.create(ended=True, disconnected_on=timezone.now() - timedelta(days=8, hours=1))

    assert (numbers(before), numbers(probe_purging())) == ([], ["W108"])
