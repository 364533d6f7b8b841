"""`create_gateway` killed at every single call, and run again: one complete gateway, nothing left over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from tests.support.forks import SIGKILLED, Commands, commands
from tests.support.proxy import KillingProxy, Moment, killing_proxy
from websocket_gateway.models import ApiGateway
from websocket_gateway.testing.gateway import local_gateway

pytestmark = pytest.mark.django_db(transaction=True)

CALLS = 12
"""GetApis, CreateApi, three integrations, three routes, a response, stage, deployment, one poll."""


CREATE = ("create_gateway", "chat", "--target", "https://www.example.com/ws/")


@dataclass(frozen=True)
class Bench:
    """A local gateway behind a proxy that kills, and a way to run commands."""

    commands: Commands
    proxy: KillingProxy
    aws: Any
    """boto3's own client, past the proxy."""

    def create(self) -> tuple[int, str]:
        return self.commands.run(*CREATE)

    def create_and_die(self, call: int, moment: Moment) -> tuple[int, str]:
        self.proxy.arm(call, moment)
        self.proxy.aim(self.commands.start(*CREATE))
        return self.commands.wait()


@pytest.fixture(scope="module")
def shared_bench(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        gateway = stack.enter_context(local_gateway(deployment_seconds=0.15))
        proxy = stack.enter_context(killing_proxy(gateway.port))
        children = stack.enter_context(commands(tmp_path_factory.mktemp("commands"), endpoint_url=proxy.url))
        aws = boto3.client("apigatewayv2", endpoint_url=gateway.endpoint_url)
        yield Bench(commands=children, proxy=proxy, aws=aws)


@pytest.fixture
def bench(shared_bench: Bench) -> Bench:
    for api in shared_bench.aws.get_apis()["Items"]:
        shared_bench.aws.delete_api(ApiId=api["ApiId"])
    return shared_bench


def assert_one_complete_gateway(bench: Bench) -> None:
    client = bench.aws
    (api,) = client.get_apis()["Items"]
    api_id = api["ApiId"]
    routes = client.get_routes(ApiId=api_id)["Items"]
    integrations = client.get_integrations(ApiId=api_id)["Items"]
    (stage,) = client.get_stages(ApiId=api_id)["Items"]
    deployment = client.get_deployment(ApiId=api_id, DeploymentId=stage["DeploymentId"])
    row = ApiGateway.objects.get()

    assert sorted(route["RouteKey"] for route in routes) == ["$connect", "$default", "$disconnect"]
    assert sorted(route["Target"] for route in routes) == sorted(
        f"integrations/{item['IntegrationId']}" for item in integrations
    )
    responses = {
        route["RouteKey"]: client.get_route_responses(ApiId=api_id, RouteId=route["RouteId"])["Items"]
        for route in routes
    }
    assert {key: len(items) for key, items in responses.items()} == {
        "$connect": 0,
        "$disconnect": 0,
        "$default": 1,
    }
    assert deployment["DeploymentStatus"] == "DEPLOYED"
    assert (row.api_id, row.deployment_id, row.api_created) == (api_id, stage["DeploymentId"], True)
    assert row.last_error == ""


def test_an_undisturbed_run_makes_the_calls_that_the_kills_are_aimed_at(bench: Bench) -> None:
    bench.proxy.disarm()

    status, output = bench.create()

    assert status == 0, output
    assert len(bench.proxy.calls) == CALLS
    assert_one_complete_gateway(bench)


@pytest.mark.parametrize(
    "moment", [Moment.BEFORE_EFFECT, Moment.BEFORE_REPLY, Moment.AFTER_REPLY], ids=lambda moment: moment.name
)
@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_a_killed_run_is_finished_by_the_next_one(bench: Bench, call: int, moment: Moment) -> None:
    died, output = bench.create_and_die(call, moment)
    assert died == SIGKILLED or moment is Moment.AFTER_REPLY, output

    bench.proxy.disarm()
    finished, output = bench.create()
    assert finished == 0, output
    assert_one_complete_gateway(bench)

    bench.proxy.disarm()
    again, output = bench.create()
    assert (again, output.splitlines()[0]) == (0, "Nothing to do: gateway chat is as it should be.")
    assert all(call.startswith("GET ") for call in bench.proxy.calls)


@pytest.mark.parametrize("call", range(1, CALLS + 1))
def test_a_run_whose_reply_is_lost_looks_again_and_goes_on(bench: Bench, call: int) -> None:
    bench.proxy.arm(call, Moment.LOST_REPLY)

    status, output = bench.create()

    assert status == 0, output
    assert_one_complete_gateway(bench)
