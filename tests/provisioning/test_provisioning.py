"""Plans applied: against moto for the operations that it has, and with trouble in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.factories import ApiGatewayAdditionalRouteFactory, ApiGatewayFactory
from tests.support.commands import run
from websocket_gateway import leases
from websocket_gateway.exceptions import GatewayNotFoundError, LeaseLostError, PlanOutdatedError
from websocket_gateway.leases import GatewayLease
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.applying import apply_steps
from websocket_gateway.provisioning.gateways import Provisioning, plan_provisioning, provision
from websocket_gateway.provisioning.plan import Action, AnyStep, Choices, Kind
from websocket_gateway.provisioning.row import find_or_build_gateway
from websocket_gateway.provisioning.steps.context import Context
from websocket_gateway.testing.gateway import GatewayHandle

pytestmark = pytest.mark.django_db


@pytest.fixture
def one_way() -> ApiGateway:
    """A planned gateway with a route, all of it one-way: moto cannot list route responses."""
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat", two_way=False, tags={"team": "web"})
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=gateway, route_key="move", integration_url="https://www.example.com/m", two_way=False
    )
    return gateway


@pytest.fixture
def moto() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("apigatewayv2", "eu-west-1")


def apply_without_deployment(planned: Provisioning) -> list[tuple[str, str, str]]:
    """Take every step but the deployment, which moto does not have; answers the steps."""
    lease = GatewayLease(planned.gateway)
    assert lease.acquire()
    steps = tuple(step for step in planned.plan if step.kind is not Kind.DEPLOYMENT)
    done: list[AnyStep] = []
    context = Context(gateway=planned.gateway, apis=planned.apis, lease=lease, on_wait=pytest.fail)
    context.routes = {route.route_key: route.route_id for route in planned.observed.routes}
    apply_steps(replace(planned.plan, steps=steps), context, on_step=done.append)
    lease.release()
    return [(step.action.value, step.kind.value, step.name) for step in done]


def test_moto_accepts_the_plan_and_a_second_one_finds_everything(one_way: ApiGateway, moto: Any) -> None:
    created = apply_without_deployment(plan_provisioning(one_way))
    again = plan_provisioning(one_way).plan

    assert len(created) == 1 + 4 + 4 + 1
    assert [(step.action, step.kind) for step in again] == [(Action.CREATE, Kind.DEPLOYMENT)]
    assert again.left == ()


def test_moto_accepts_what_mends_and_prunes(one_way: ApiGateway, moto: Any) -> None:
    apply_without_deployment(plan_provisioning(one_way))
    api_id = one_way.api_id
    moto.update_api(ApiId=api_id, Description="by hand")
    first, *_ = moto.get_integrations(ApiId=api_id)["Items"]
    moto.update_integration(
        ApiId=api_id, IntegrationId=first["IntegrationId"], IntegrationUri="https://www.example.com/x"
    )
    route = next(item for item in moto.get_routes(ApiId=api_id)["Items"] if item["RouteKey"] == "move")
    moto.update_route(ApiId=api_id, RouteId=route["RouteId"], Target=f"integrations/{first['IntegrationId']}")
    other = moto.create_integration(
        ApiId=api_id,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="POST",
        IntegrationUri="https://www.example.com/o",
    )["IntegrationId"]
    moto.create_route(ApiId=api_id, RouteKey="orders", Target=f"integrations/{other}")

    mended = apply_without_deployment(plan_provisioning(one_way, choices=Choices(prune=True)))
    again = plan_provisioning(one_way).plan

    assert {("delete", "route", "orders"), ("delete", "integration", other)} < set(mended)
    assert {kind for _, kind, _ in mended} >= {"api", "integration", "route"}
    assert [step.kind for step in again] == [Kind.DEPLOYMENT]
    assert again.left == ()


@pytest.mark.django_db(transaction=True)
def test_who_loses_the_lease_stops_before_the_next_step(
    django_local_gateway: GatewayHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "FRESH_SECONDS", -1.0)  # so that it looks before every step
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat", region_name="")
    done: list[str] = []

    def on_step(step: AnyStep) -> None:
        done.append(step.kind.value)
        if len(done) == 3:
            ApiGateway.objects.update(lease_holder="elsewhere:1:x", last_error="theirs")

    with pytest.raises(LeaseLostError, match="run the command again"):
        provision(gateway, on_step=on_step)

    row = ApiGateway.objects.get()
    assert done == ["api", "integration", "integration"]
    assert (row.lease_holder, row.last_error) == ("elsewhere:1:x", "theirs")
    ApiGateway.objects.update(lease_holder="")
    assert run("create_gateway", "chat").status == 0


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_deletes_meanwhile_is_told_with_the_api_that_is_left(
    django_local_gateway: GatewayHandle,
) -> None:
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat", region_name="")

    def on_step(step: AnyStep) -> None:
        if step.kind is Kind.API:
            ApiGateway.objects.all().delete()

    with pytest.raises(GatewayNotFoundError, match="'chat' was deleted while .* API '.+' is left"):
        provision(gateway, on_step=on_step)

    adopted = run(
        "create_gateway", "chat", "--adopt", gateway.api_id, "--target", "https://www.example.com/ws/"
    )
    assert adopted.status == 0, adopted


def test_what_somebody_else_edits_between_plan_and_apply_stays(django_local_gateway: GatewayHandle) -> None:
    ApiGatewayFactory.create(planned=True, api_name="chat", region_name="")
    gateway = find_or_build_gateway("chat", {})

    def edit(planned: Provisioning) -> None:
        ApiGateway.objects.update(api_description="theirs")

    provision(gateway, {"stage_description": "mine"}, confirm=edit, on_step=lambda step: None)

    row = ApiGateway.objects.get()
    assert (row.api_description, row.stage_description) == ("theirs", "mine")


def test_nothing_is_deleted_that_nobody_agreed_to(
    django_local_gateway: GatewayHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("websocket_gateway.aws.calls._BASE_SECONDS", 0.001)
    aws: Any = boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat", region_name="")
    provision(gateway, on_step=lambda step: None)
    target = aws.get_routes(ApiId=gateway.api_id)["Items"][0]["Target"]
    ApiGateway.objects.update(target_base_endpoint="https://www.example.com/elsewhere/")
    faults = django_local_gateway.faults
    faults.control_errors = {"UpdateIntegration": (503, "ServiceUnavailable")}

    def on_wait(text: str) -> None:
        if "Looking again" in text:
            faults.control_errors = {}
            aws.create_route(ApiId=gateway.api_id, RouteKey="orders", Target=target)

    with pytest.raises(PlanOutdatedError, match="no longer those that were confirmed"):
        provision(gateway, choices=Choices(prune=True), on_step=lambda step: None, on_wait=on_wait)

    assert "orders" in {route["RouteKey"] for route in aws.get_routes(ApiId=gateway.api_id)["Items"]}


def test_a_plan_tells_another_one_apart(django_local_gateway: GatewayHandle) -> None:
    gateway = ApiGatewayFactory.create(planned=True, api_name="chat", region_name="")
    first, same = plan_provisioning(gateway).plan, plan_provisioning(gateway).plan
    gateway.api_description = "another"
    other = plan_provisioning(gateway).plan
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=gateway, route_key="move", integration_url="https://www.example.com/m"
    )

    assert first.fingerprint == same.fingerprint
    assert first.fingerprint != plan_provisioning(gateway).plan.fingerprint
    assert other.drift
