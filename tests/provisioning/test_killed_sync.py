"""`sync_routes` and `create_gateway --adopt` killed at every single call, and run again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.factories import ApiGatewayAdditionalRouteFactory
from tests.support.bench import Bench, open_bench
from tests.support.commands import run
from tests.support.forks import SIGKILLED
from tests.support.proxy import Moment
from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db(transaction=True)

SYNC = ("sync_routes", "chat", "--prune", "--no-input")
SYNC_CALLS = 19
"""Eight that read, one for each of the ten kinds of steps below, one poll."""
ADOPT = ("create_gateway", "chat", "--target", "https://www.example.com/ws/", "--adopt")
ADOPT_CALLS = 22


@pytest.fixture(scope="module")
def shared_bench(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        with open_bench(tmp_path_factory.mktemp("commands")) as bench:
            yield bench


@pytest.fixture
def bench(shared_bench: Bench, settings: Any) -> Bench:
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": shared_bench.gateway.endpoint_url}
    shared_bench.gateway.gateway.store.apis.clear()
    return shared_bench


def integrate(bench: Bench, api_id: str, uri: str) -> str:
    made = bench.aws.create_integration(
        ApiId=api_id, IntegrationType="HTTP_PROXY", IntegrationMethod="POST", IntegrationUri=uri
    )
    return f"integrations/{made['IntegrationId']}"


@pytest.fixture
def drifted(bench: Bench) -> str:
    """A gateway that differs in one thing of every kind; answers its API id."""
    assert run(*ADOPT[:-1]).status == 0
    row = ApiGateway.objects.get()
    route = ApiGatewayAdditionalRouteFactory.create(
        api_gateway=row, route_key="move", integration_url="https://www.example.com/m", two_way=False
    )
    api_id = row.api_id
    target = integrate(bench, api_id, "https://www.example.com/orders")
    bench.aws.create_route(ApiId=api_id, RouteKey="orders", Target=target)
    assert run("sync_routes").status == 0
    assert bench.served_routes(api_id) == {"$connect", "$disconnect", "$default", "move", "orders"}
    route.two_way = True
    route.save()
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=row, route_key="leave", integration_url="https://www.example.com/l", two_way=False
    )
    first = bench.aws.get_integrations(ApiId=api_id)["Items"][0]["IntegrationId"]
    bench.aws.update_integration(ApiId=api_id, IntegrationId=first, TimeoutInMillis=500)
    traced = {"DataTraceEnabled": True}
    bench.aws.update_stage(ApiId=api_id, StageName="production", DefaultRouteSettings=traced)
    bench.aws.tag_resource(
        ResourceArn=f"arn:aws:apigateway:eu-west-1::/apis/{api_id}", Tags={"websocket_gateway:uuid": "x"}
    )
    bench.aws.untag_resource(
        ResourceArn=f"arn:aws:apigateway:eu-west-1::/apis/{api_id}", TagKeys=["websocket_gateway:uuid"]
    )
    return api_id


def assert_in_sync(bench: Bench, api_id: str, keys: set[str]) -> None:
    """One complete gateway with these routes, all of them served, and nothing besides."""
    routes = bench.aws.get_routes(ApiId=api_id)["Items"]
    integrations = bench.aws.get_integrations(ApiId=api_id)["Items"]
    row = ApiGateway.objects.get()

    assert [api["ApiId"] for api in bench.aws.get_apis()["Items"]] == [api_id]
    assert sorted(route["RouteKey"] for route in routes) == sorted(keys)
    assert bench.served_routes(api_id) == keys
    assert {route["Target"] for route in routes} == {
        f"integrations/{item['IntegrationId']}" for item in integrations
    }
    assert (row.api_id, row.last_error, row.lease_holder) == (api_id, "", "")
    checked = run("sync_routes", "--check", "--deep")
    assert checked.status == 0, checked


def test_an_undisturbed_sync_makes_the_calls_that_the_kills_are_aimed_at(bench: Bench, drifted: str) -> None:
    status, output = bench.run(*SYNC)

    assert status == 0, output
    assert len(bench.proxy.calls) == SYNC_CALLS, bench.proxy.calls
    assert_in_sync(bench, drifted, {"$connect", "$disconnect", "$default", "move", "leave"})


@pytest.mark.parametrize("call", range(1, SYNC_CALLS + 1))
def test_a_killed_sync_is_finished_by_the_next_one(bench: Bench, drifted: str, call: int) -> None:
    died, output = bench.run_and_die(call, Moment.BEFORE_REPLY, *SYNC)
    assert died == SIGKILLED, output

    finished, output = bench.run(*SYNC)

    assert finished == 0, output
    assert_in_sync(bench, drifted, {"$connect", "$disconnect", "$default", "move", "leave"})


@pytest.fixture
def handmade(bench: Bench) -> str:
    """An API as somebody makes it in the console: one integration for all, no stage."""
    api_id = str(
        bench.aws.create_api(
            Name="by hand", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
        )["ApiId"]
    )
    target = integrate(bench, api_id, "https://old.example.com/")
    for key in ("$connect", "$default", "orders"):
        bench.aws.create_route(ApiId=api_id, RouteKey=key, Target=target)
    return api_id


def test_an_undisturbed_adoption_makes_the_calls_that_the_kills_are_aimed_at(
    bench: Bench, handmade: str
) -> None:
    status, output = bench.run(*ADOPT, handmade)

    assert status == 0, output
    assert len(bench.proxy.calls) == ADOPT_CALLS, bench.proxy.calls


@pytest.mark.parametrize("call", range(1, ADOPT_CALLS + 1))
def test_a_killed_adoption_is_finished_by_the_next_one(bench: Bench, handmade: str, call: int) -> None:
    died, output = bench.run_and_die(call, Moment.BEFORE_REPLY, *ADOPT, handmade)
    assert died == SIGKILLED, output

    finished, output = bench.run(*ADOPT, handmade)

    assert finished == 0, output
    assert run("sync_routes", "--prune", "--no-input").status == 0
    assert_in_sync(bench, handmade, {"$connect", "$disconnect", "$default"})
