"""The policies of `management_docs/iam.md`, held against the calls that the commands really make."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import boto3
import pytest

from tests.docs.pages import read
from tests.factories import ApiGatewayAdditionalRouteFactory, UserFactory, WebSocketSessionFactory
from tests.support.commands import run
from tests.support.moto import Moto, running_moto
from websocket_gateway.aws.clients import (
    certificates_client,
    control_plane_client,
    dns_client,
    forget_clients,
)
from websocket_gateway.aws.permissions import ACTIONS
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db(transaction=True)

REGION, ACCOUNT, ZONE = "eu-west-1", "123456789012", "Z0"
PAGE = read("iam.md")
DEPLOY, DOMAINS, LOOK, RUNTIME = (
    json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
)
CREATE = ("create_gateway", "chat", "--target", "https://www.example.com/ws/")
ONCE_AN_ACCOUNT = "iam:CreateServiceLinkedRole"
"""AWS's own call, behind the first CreateApi."""


@dataclass(frozen=True)
class Need:
    """An action on a resource."""

    action: str
    resource: str


@dataclass
class Needs:
    """What the recorded calls need, and the operations that no list knows."""

    found: set[Need] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    def note(self, model: Any, params: dict[str, Any], **kwargs: Any) -> None:
        """botocore calls this before every call."""
        if model.name not in ACTIONS:
            self.unknown.add(model.name)
        resource = _resource(model.service_model.service_name, model.name, params["url_path"])
        self.found |= {Need(action, resource) for action in ACTIONS.get(model.name, ())}


def _resource(service: str, operation: str, path: str) -> str:
    if service == "apigatewayv2":
        return f"arn:aws:apigateway:{REGION}::{path.removeprefix('/v2')}"
    if service == "acm":
        return "*" if operation == "ListCertificates" else f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"
    return (
        "arn:aws:route53:::change/C1" if operation == "GetChange" else f"arn:aws:route53:::hostedzone/{ZONE}"
    )


def allows(statements: list[dict[str, Any]], need: Need) -> bool:
    """Whether one statement allows both, as IAM matches them."""
    return any(
        fnmatchcase(need.action, action) and fnmatchcase(need.resource, _filled_in(resource))
        for statement in statements
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    )


def refused(needs: Needs, *policies: dict[str, Any]) -> list[Need]:
    statements = [statement for policy in policies for statement in policy["Statement"]]
    return [need for need in needs.found if not allows(statements, need)]


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _filled_in(resource: str) -> str:
    return resource.replace("REGION", REGION).replace("ACCOUNT", ACCOUNT).replace("ZONE_ID", ZONE)


@pytest.fixture(scope="module")
def shared_moto() -> Iterator[Moto]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        with running_moto() as moto:
            yield moto


@pytest.fixture
def moto(shared_moto: Moto, monkeypatch: pytest.MonkeyPatch) -> Moto:
    for service in ("ACM", "ROUTE_53", "STS"):
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", shared_moto.url)
    return shared_moto


@pytest.fixture
def needs(moto: Moto, django_local_gateway: GatewayHandle) -> Iterator[Needs]:
    """What the calls from here on need."""
    forget_clients()
    recorded = Needs()
    for make in (control_plane_client, certificates_client, dns_client):
        client: Any = make(REGION)
        client.meta.events.register("before-call", recorded.note)
    yield recorded
    forget_clients()


def succeed(*argv: str) -> None:
    ended = run(*argv)
    assert ended.status == 0, ended


def drift(gateway: GatewayHandle) -> None:
    """Make it need an update, a deletion or a creation of everything but the domain."""
    row = ApiGateway.objects.get()
    aws = boto3.client("apigatewayv2", endpoint_url=gateway.endpoint_url)
    route = ApiGatewayAdditionalRouteFactory.create(api_gateway=row, route_key="move")
    succeed("sync_routes")
    route.two_way = False
    route.save()
    ApiGateway.objects.update(api_description="Live", tags={"team": "web"}, stage_description="Live")
    made = aws.create_integration(
        ApiId=row.api_id,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="POST",
        IntegrationUri="https://www.example.com/x",
    )
    aws.create_route(ApiId=row.api_id, RouteKey="x", Target=f"integrations/{made['IntegrationId']}")
    first = aws.get_integrations(ApiId=row.api_id)["Items"][0]["IntegrationId"]
    aws.update_integration(ApiId=row.api_id, IntegrationId=first, TimeoutInMillis=500)
    succeed("sync_routes", "--prune", "--no-input")
    ApiGateway.objects.update(tags={})
    succeed("sync_routes", "--prune", "--no-input")


def test_the_deploy_role_may_do_what_create_sync_and_delete_do(
    needs: Needs, django_local_gateway: GatewayHandle
) -> None:
    succeed(*CREATE)
    drift(django_local_gateway)
    succeed("delete_gateway", "chat", "--no-input")

    assert needs.unknown == set()
    assert refused(needs, DEPLOY) == []
    allowed = {action for item in DEPLOY["Statement"] for action in _listed(item["Action"])}
    assert allowed - {need.action for need in needs.found} == {ONCE_AN_ACCOUNT}


def test_with_a_domain_it_may_do_the_rest_with_the_addition(needs: Needs, moto: Moto) -> None:
    zone = moto.create_zone("example.com")
    domain = ("--domain", "ws.example.com", "--hosted-zone-id", zone)
    moto.import_certificate("ws.example.com")
    succeed(*CREATE, *domain)
    other = moto.import_certificate("*.example.com")
    succeed("create_gateway", "chat", "--certificate-arn", other)
    succeed("create_gateway", "chat", "--mapping-key", "chat")
    ApiGateway.objects.update(tags={"team": "web"})
    succeed("sync_routes", "--prune", "--no-input")
    succeed("delete_gateway", "chat", "--no-input")

    assert needs.unknown == set()
    assert refused(needs, DEPLOY, DOMAINS) == []
    asked = {need.action for need in needs.found}
    allowed = {action for item in DOMAINS["Statement"] for action in _listed(item["Action"])}
    # moto has every change INSYNC at once, so nobody waits for one here.
    assert allowed - asked <= {"route53:GetChange"}


def test_looking_needs_only_the_role_that_looks(needs: Needs, moto: Moto) -> None:
    zone = moto.create_zone("example.com")
    arn = moto.import_certificate("ws.example.com")
    succeed(*CREATE, "--domain", "ws.example.com", "--hosted-zone-id", zone, "--certificate-arn", arn)
    needs.found.clear()

    succeed("sync_routes", "--check", "--deep")
    succeed("create_gateway", "chat", "--dry-run")
    succeed("delete_gateway", "chat", "--dry-run")

    assert needs.found
    assert refused(needs, LOOK) == []


def test_the_runtime_role_may_do_what_sending_and_purging_do(
    django_local_gateway: GatewayHandle, needs: Needs, caplog: pytest.LogCaptureFixture
) -> None:
    succeed(*CREATE)
    needs.found.clear()
    row = ApiGateway.objects.get()
    WebSocketSessionFactory.create(api_gateway=row, channel_name="news")
    WebSocketSessionFactory.create(api_gateway=row, channel_name="quiet")
    leaving = UserFactory.create(inactive=True)
    WebSocketSessionFactory.create(api_gateway=row, user=leaving)

    with caplog.at_level(logging.DEBUG, logger="websocket_gateway.local"):
        run("broadcast", "news", "{}")
        run("purge_connections", "--verify")

    called = set(re.findall(r"(\w+) @connections", caplog.text))
    (resources,) = (statement["Resource"] for statement in RUNTIME["Statement"])
    assert called == {"POST", "GET", "DELETE"}
    assert {resource.split("/")[2] for resource in resources} == called
    assert needs.found == set(), "the control plane is none of the runtime role's business"
