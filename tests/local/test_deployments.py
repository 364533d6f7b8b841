"""What a stage serves: the deployment it points to, nothing newer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.local.conftest import World

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client
from tests.local.refusals import BAD, refused


def test_only_what_was_deployed_is_served(world: World, control: ApiGatewayV2Client) -> None:
    world.serve()
    first = control.get_stage(ApiId=world.api_id, StageName="prod")["DeploymentId"]
    world.add_route("chat", two_way=True)

    with world.connect() as socket:
        socket.send('{"action": "chat"}')
        assert socket.recv(timeout=5)
        assert len(world.backend.at("/default")) == 1

        second = world.deploy()
        socket.send('{"action": "chat"}')
        assert socket.recv(timeout=5)
        assert len(world.backend.at("/chat")) == 1

        control.update_stage(ApiId=world.api_id, StageName="prod", DeploymentId=first)
        socket.send('{"action": "chat"}')
        assert socket.recv(timeout=5)
        assert len(world.backend.at("/default")) == 2
    assert [item["DeploymentId"] for item in control.get_deployments(ApiId=world.api_id)["Items"]] == [
        second,
        first,
    ]


def test_a_stage_without_deployment_is_not_callable(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    control.create_stage(ApiId=world.api_id, StageName="prod")

    with pytest.raises(InvalidStatus) as caught:
        world.connect()

    assert caught.value.response.status_code == 403


@pytest.mark.parametrize("gateway_options", [{"deployment_seconds": 0.3}])
def test_a_deployment_takes_its_time(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    world.add_route("$default")
    control.create_stage(ApiId=world.api_id, StageName="prod")

    made = control.create_deployment(ApiId=world.api_id, StageName="prod")

    ids = {"ApiId": world.api_id, "DeploymentId": made["DeploymentId"]}
    assert made["DeploymentStatus"] == "PENDING"
    assert "DeploymentId" not in control.get_stage(ApiId=world.api_id, StageName="prod")
    world.gateway.wait_until(lambda: control.get_deployment(**ids)["DeploymentStatus"] == "DEPLOYED")
    assert control.get_stage(ApiId=world.api_id, StageName="prod")["DeploymentId"] == made["DeploymentId"]


@pytest.mark.parametrize("gateway_options", [{"deployment_fails": True}])
def test_a_failed_deployment_is_not_served(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    world.add_route("$default")
    control.create_stage(ApiId=world.api_id, StageName="prod")

    made = control.create_deployment(ApiId=world.api_id, StageName="prod")

    assert made["DeploymentStatus"] == "FAILED"
    assert made["DeploymentStatusMessage"]
    assert "DeploymentId" not in control.get_stage(ApiId=world.api_id, StageName="prod")


def test_auto_deploy_follows_every_change(world: World, control: ApiGatewayV2Client) -> None:
    world.create_api()
    control.create_stage(ApiId=world.api_id, StageName="prod", AutoDeploy=True)
    world.add_route("$default", two_way=True)

    with world.connect() as socket:
        socket.send("hello")
        assert socket.recv(timeout=5) == "hello"
    fields: dict[str, Any] = {"ApiId": world.api_id, "StageName": "prod", "DeploymentId": "x"}
    assert refused(lambda: control.update_stage(**fields)) == BAD
