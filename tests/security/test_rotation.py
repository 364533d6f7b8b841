"""The origin secret is rotated alone: two are accepted meanwhile, one afterwards, whatever was cut off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.factories import ApiGatewayFactory, WebSocketSessionFactory
from tests.support.bench import Bench, open_bench
from tests.support.commands import TARGET, run
from tests.support.forks import SIGKILLED
from tests.support.proxy import Moment
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import is_origin_secret, origin_secret
from websocket_gateway.provisioning.steps import rows
from websocket_gateway.receiving.authentication import forget_gateways
from websocket_gateway.testing import events

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.views.urls")]

SYNC = ("sync_routes", "chat")
ROTATE = ("sync_routes", "chat", "--rotate-secret")
CALLS = 12
"""Seven that read, three integrations, one deployment, one poll."""
FIRST_CHANGE = 8
MOMENTS = (Moment.BEFORE_EFFECT, Moment.BEFORE_REPLY)


@pytest.fixture(scope="module")
def shared_bench(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        with open_bench(tmp_path_factory.mktemp("rotation")) as bench:
            yield bench


@pytest.fixture
def bench(shared_bench: Bench, settings: Any) -> Bench:
    settings.WEBSOCKET_GATEWAY = {"ENDPOINT_URL": shared_bench.gateway.endpoint_url}
    shared_bench.gateway.gateway.store.apis.clear()
    assert run("create_gateway", "chat", *TARGET).status == 0
    return shared_bench


def row() -> ApiGateway:
    return ApiGateway.objects.get()


def served(bench: Bench) -> set[str]:
    """The secrets that the deployed integrations send."""
    record = bench.gateway.gateway.store.apis[row().api_id]
    (stage,) = record.stages.values()
    text = json.dumps(record.snapshots[stage["deploymentId"]], default=str)
    known = {origin_secret(row().api_id, generation) for generation in range(5)}
    return {secret for secret in known if secret in text}


def status_with(secret: str) -> int:
    """How an event with this secret is answered."""
    gateway = row()
    session = gateway.websocket_sessions.first() or WebSocketSessionFactory.create(api_gateway=gateway)
    headers = events.event_headers(gateway, session.connection_id, "MESSAGE", "$default")
    body = json.dumps({"handler": "say"})
    answer = Client().post(
        "/ws/default",
        body,
        content_type="application/json",
        headers={**headers, "wsOriginSecret": secret},
    )
    return answer.status_code


def generation(number: int) -> str:
    return origin_secret(row().api_id, number)


def test_a_rotation_deploys_another_secret_and_refuses_the_old_one(bench: Bench) -> None:
    old = generation(0)
    assert (served(bench), status_with(old)) == ({old}, 200)

    ended = run(*ROTATE)

    assert ended.status == 0, ended
    assert "secret_generation: 0 -> 1" in ended.stdout
    assert "origin secret: another one -> the current one" in ended.stdout
    assert "Updated origin secret chat (the new one is deployed" in ended.stdout
    assert served(bench) == {generation(1)}
    assert status_with(generation(1)) == 200
    assert status_with(old) == 403
    assert run("sync_routes", "--check").status == 0
    assert (row().secret_generation, row().secret_rotating) == (1, False)


def test_both_secrets_are_accepted_while_it_lasts(bench: Bench) -> None:
    old, new = generation(0), generation(1)
    died, _output = bench.run_and_die(FIRST_CHANGE + 1, Moment.BEFORE_REPLY, *ROTATE)
    assert died == SIGKILLED
    forget_gateways()

    assert row().secret_rotating
    assert [status_with(old), status_with(new)] == [200, 200]


def test_a_process_that_still_has_the_old_row_in_its_cache_accepts_the_new_secret(bench: Bench) -> None:
    new = generation(1)
    assert status_with(generation(0)) == 200  # the row is cached now

    assert bench.run(*ROTATE)[0] == 0  # in another process

    assert status_with(new) == 200
    assert status_with(generation(2)) == 403


def test_plan_check_and_json_tell_of_it(bench: Bench) -> None:
    planned = run(*ROTATE, "--dry-run", "--format", "json")
    (report,) = json.loads(planned.stdout)["gateways"]
    steps = [(step["action"], step["kind"]) for step in report["steps"]]
    assert steps[0] == ("update", "record")
    assert steps[1:-2] == [("update", "integration")] * 3
    assert steps[-2:] == [("create", "deployment"), ("update", "origin secret")]
    assert (row().secret_generation, row().secret_rotating) == (0, False)
    for secret in (generation(0), generation(1)):
        assert secret not in planned.stdout

    bench.run_and_die(FIRST_CHANGE + 1, Moment.BEFORE_REPLY, *ROTATE)

    checked = run("sync_routes", "--check")
    assert checked.status == 1
    assert "Would update origin secret chat" in checked.stdout


def test_an_undisturbed_rotation_makes_the_calls_that_the_kills_are_aimed_at(bench: Bench) -> None:
    status, output = bench.run(*ROTATE)

    assert status == 0, output
    assert len(bench.proxy.calls) == CALLS, bench.proxy.calls


KILLS = [
    *((call, moment, SYNC) for call in range(1, CALLS + 1) for moment in MOMENTS),
    *((call, Moment.BEFORE_REPLY, ROTATE) for call in range(FIRST_CHANGE, CALLS + 1)),
]


@pytest.mark.parametrize(("call", "moment", "again"), KILLS)
def test_a_killed_rotation_is_finished_by_the_next_run(
    bench: Bench, call: int, moment: Moment, again: tuple[str, ...]
) -> None:
    died, output = bench.run_and_die(call, moment, *ROTATE)
    assert died == SIGKILLED, output
    forget_gateways()
    begun = row().secret_rotating
    assert all(status_with(secret) == 200 for secret in served(bench))

    finished, output = bench.run(*again)

    assert finished == 0, output
    forget_gateways()
    expected = 1 if begun or again == ROTATE else 0
    assert (row().secret_generation, row().secret_rotating) == (expected, False)
    assert served(bench) == {generation(expected)}
    assert status_with(generation(expected)) == 200
    assert (status_with(generation(0)) == 200) is (expected == 0)
    assert run("sync_routes", "--check").status == 0


def test_a_rotation_without_its_last_statement_is_finished_without_a_change_in_aws(
    bench: Bench,
) -> None:
    assert run(*ROTATE).status == 0
    ApiGateway.objects.update(secret_rotating=True)

    status, output = bench.run(*SYNC)

    assert (status, row().secret_rotating) == (0, False)
    assert output.startswith("~ Updated origin secret chat")
    assert all(call.startswith("GET ") for call in bench.proxy.calls)


@pytest.mark.parametrize("call", range(FIRST_CHANGE, CALLS + 1))
def test_a_lost_reply_does_not_rotate_twice(bench: Bench, call: int) -> None:
    bench.proxy.arm(call, Moment.LOST_REPLY)

    status, output = bench.commands.run(*ROTATE)

    assert status == 0, output
    assert (row().secret_generation, row().secret_rotating) == (1, False)
    assert served(bench) == {generation(1)}


def test_key_and_secret_are_rotated_at_the_same_time(bench: Bench, settings: Any) -> None:
    old = generation(0)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key"
    row_pk = row().pk
    ApiGateway.objects.filter(pk=row_pk).update(secret_generation=1, secret_rotating=True)
    forget_gateways()
    assert status_with(old) == 200  # of the old key and the old generation

    assert run("sync_routes", "chat").status == 0

    assert status_with(old) == 403
    assert status_with(generation(1)) == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert status_with(generation(1)) == 200
    assert run("sync_routes", "--check").status == 0


def test_an_instance_loaded_before_does_not_set_the_secret_back(bench: Bench) -> None:
    stale = row()
    assert run(*ROTATE).status == 0

    stale.api_description = "edited"
    stale.save()

    assert (row().secret_generation, row().api_description) == (1, "edited")


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (("sync_routes", "--rotate-secret"), "needs the NAME of a gateway"),
        (("sync_routes", "chat", "--rotate-secret", "--check"), "cannot be combined with --check"),
    ],
)
def test_a_rotation_is_asked_for_by_name(bench: Bench, argv: tuple[str, ...], why: str) -> None:
    ended = run(*argv)

    assert (ended.status, why in ended.stderr) == (2, True)
    assert row().secret_generation == 0


def test_against_aws_it_waits_for_events_on_their_way() -> None:
    gateway = ApiGatewayFactory.create(secret_generation=1, secret_rotating=True)
    said: list[str] = []
    slept: list[float] = []

    class Meta:
        endpoint_url = "https://apigateway.eu-west-1.amazonaws.com"

    class Apis:
        client = type("Client", (), {"meta": Meta})
        sleep = staticmethod(slept.append)

    class Context:
        apis = Apis
        on_wait = staticmethod(said.append)

        @staticmethod
        def save(**values: object) -> None:
            ApiGateway.objects.filter(pk=gateway.pk).update(**values)

    from websocket_gateway.provisioning.rotating import finishing_steps

    (step,) = finishing_steps(gateway)
    context: Any = Context
    rows.end_rotation(context, step)

    assert slept == [10.0]
    assert said == ["waiting 10 s for events that carry the old origin secret"]
    assert not row().secret_rotating


@pytest.mark.parametrize("number", range(4))
def test_every_generation_and_every_api_has_its_own_secret(number: int) -> None:
    secret = origin_secret("a1", number)

    accepted = {n for n in range(6) if is_origin_secret(secret, "a1", [n])}
    assert accepted == {number}
    assert not is_origin_secret(secret, "a2", range(6))
