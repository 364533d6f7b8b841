"""Several machines at work on one gateway at the same time: real commands, in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.factories import ApiGatewayAdditionalRouteFactory
from tests.support.commands import run
from tests.support.forks import Commands, commands
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.gateways import provision
from websocket_gateway.provisioning.row import find_or_build_gateway
from websocket_gateway.testing.gateway import GatewayHandle, local_gateway

pytestmark = pytest.mark.django_db(transaction=True)
CREATE = ("create_gateway", "chat", "--target", "https://www.example.com/ws/")


@pytest.fixture
def slow_gateway(settings: Any) -> Iterator[GatewayHandle]:
    """Deployments take a second, so that the runs meet."""
    with local_gateway(deployment_seconds=1.0) as handle:
        settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": handle.endpoint_url}
        yield handle


@pytest.fixture
def machines(slow_gateway: GatewayHandle, tmp_path: Path) -> Iterator[list[Commands]]:
    with ExitStack() as stack:
        found = []
        for name in ("first", "second"):
            directory = tmp_path / name
            directory.mkdir()
            found.append(stack.enter_context(commands(directory, endpoint_url=slow_gateway.endpoint_url)))
        yield found


def run_on_all(machines: list[Commands], *argv: str) -> list[tuple[int, str]]:
    for machine in machines:
        machine.start(*argv)
    return [machine.wait() for machine in machines]


def test_two_machines_that_create_one_gateway_make_one(
    machines: list[Commands], slow_gateway: GatewayHandle
) -> None:
    ended = run_on_all(machines, *CREATE)

    aws: Any = boto3.client("apigatewayv2", endpoint_url=slow_gateway.endpoint_url)
    assert [status for status, _ in ended] == [0, 0], ended
    assert len(aws.get_apis()["Items"]) == 1
    assert ApiGateway.objects.get().lease_holder == ""
    checked = run("sync_routes", "--check", "--deep")
    assert checked.status == 0, checked


def test_a_machine_that_meets_the_others_api_before_it_knows_of_its_row_goes_on_with_that_row(
    slow_gateway: GatewayHandle,
) -> None:
    """The row is made between the second machine's look into the database and its look into AWS."""
    values = {"target_base_endpoint": "https://www.example.com/ws/"}
    gateway = find_or_build_gateway("chat", values)
    assert run(*CREATE).status == 0

    done = provision(gateway, values, on_step=lambda step: None)

    assert not done.plan
    assert ApiGateway.objects.get().api_id == done.gateway.api_id


def test_two_machines_that_sync_one_gateway_mend_it_once(
    machines: list[Commands], slow_gateway: GatewayHandle
) -> None:
    assert run(*CREATE).status == 0
    gateway = ApiGateway.objects.get()
    for number in range(3):
        ApiGatewayAdditionalRouteFactory.create(
            api_gateway=gateway,
            route_key=f"route{number}",
            integration_url=f"https://www.example.com/{number}",
        )

    ended = run_on_all(machines, "sync_routes", "chat")

    assert [status for status, _ in ended] == [0, 0], ended
    outputs = sorted((output for _, output in ended), key=len)
    assert outputs[0].endswith("Nothing to do: gateway chat is as it should be.\n"), ended
    assert outputs[1].count("+ Created route route") == 3, ended
    checked = run("sync_routes", "--check", "--deep")
    assert checked.status == 0, checked


def test_two_machines_that_delete_one_gateway_end_at_once(
    machines: list[Commands], slow_gateway: GatewayHandle
) -> None:
    assert run(*CREATE).status == 0

    ended = run_on_all(machines, "delete_gateway", "chat", "--no-input")

    statuses = sorted(status for status, _ in ended)
    outputs = " ".join(output for _, output in ended)
    assert statuses in ([0, 0], [0, 2]), ended
    assert statuses == [0, 0] or "was deleted by another process meanwhile" in outputs
    assert not ApiGateway.objects.exists()
