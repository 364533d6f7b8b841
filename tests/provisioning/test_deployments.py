"""Waiting for a deployment: what AWS reads may lag behind what it wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tests.factories import ApiGatewayFactory
from websocket_gateway.aws.apis import Apis
from websocket_gateway.exceptions import PlanOutdatedError
from websocket_gateway.leases import GatewayLease
from websocket_gateway.provisioning.plan import Action, Kind, Step
from websocket_gateway.provisioning.steps import stages
from websocket_gateway.provisioning.steps.context import Context
from websocket_gateway.resources import Deployment

pytestmark = pytest.mark.django_db
BEGUN = Step(
    action=Action.WAIT,
    kind=Kind.DEPLOYMENT,
    name="production",
    reason="an earlier run began it",
    resource=Deployment(deployment_id="d1", status="PENDING"),
)


@pytest.fixture
def stubber() -> Iterator[Stubber]:
    with Stubber(boto3.client("apigatewayv2", "eu-west-1")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def run(stubber: Stubber) -> Context:
    client: Any = stubber.client
    gateway = ApiGatewayFactory.create(api_id="a1", deployment_id="")
    lease = GatewayLease(gateway)
    assert lease.acquire()
    return Context(
        gateway=gateway,
        apis=Apis(region="eu-west-1", client=client, origin_secret=str, sleep=lambda seconds: None),
        lease=lease,
        on_wait=lambda text: None,
    )


def test_one_that_cannot_be_read_yet_is_waited_for_and_not_made_again(run: Context, stubber: Stubber) -> None:
    for _ in range(3):
        stubber.add_client_error("get_deployment", "NotFoundException", http_status_code=404)
    stubber.add_response("get_deployment", {"DeploymentId": "d1", "DeploymentStatus": "DEPLOYED"})

    stages.wait_for_deployment(run, BEGUN)

    run.gateway.refresh_from_db()
    assert run.gateway.deployment_id == "d1"


def test_one_that_stays_away_is_given_up(
    run: Context, stubber: Stubber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "_UNSEEN_SECONDS", 0.0)
    stubber.add_client_error("get_deployment", "NotFoundException", http_status_code=404)

    with pytest.raises(PlanOutdatedError, match="'d1' vanished"):
        stages.wait_for_deployment(run, BEGUN)
