"""Nothing is deleted in AWS that the question did not name, and nothing is written without the lease."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.db.models.signals import post_save

import websocket_gateway
from tests.support.commands import TARGET, Ended, run
from tests.support.moto import Moto, moto_fixture, moto_server_fixture
from websocket_gateway import leases
from websocket_gateway.exceptions import LeaseLostError, PlanOutdatedError
from websocket_gateway.models import ApiGateway
from websocket_gateway.provisioning.confirming import provision_confirmed
from websocket_gateway.provisioning.deleting import delete_gateway
from websocket_gateway.provisioning.gateways import plan_provisioning, provision
from websocket_gateway.provisioning.plan import AnyStep, Choices
from websocket_gateway.testing.gateway import GatewayHandle

__all__ = ["moto_fixture", "moto_server_fixture"]
pytestmark = pytest.mark.django_db(transaction=True)
DOMAIN = "ws.example.com"


@pytest.fixture
def aws(django_local_gateway: GatewayHandle, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("websocket_gateway.aws.calls._BASE_SECONDS", 0.001)
    return boto3.client("apigatewayv2", endpoint_url=django_local_gateway.endpoint_url)


@pytest.fixture
def chat(aws: Any) -> ApiGateway:
    succeed("create_gateway", "chat", *TARGET)
    return ApiGateway.objects.get()


@pytest.fixture
def moved(aws: Any, moto: Moto) -> ApiGateway:
    """A gateway whose domain leads to it by an earlier path too."""
    moto.import_certificate(DOMAIN)
    succeed("create_gateway", "chat", *TARGET, "--domain", DOMAIN, "--mapping-key", "old")
    succeed("create_gateway", "chat", "--mapping-key", "new")
    return ApiGateway.objects.get()


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease is looked at before every step."""
    monkeypatch.setattr(leases, "FRESH_SECONDS", -1.0)


@pytest.fixture
def after_saving() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Connects a function that is called once a row was saved."""
    connected: list[Any] = []

    def connect(function: Callable[[], None]) -> None:
        connected.append(lambda **kwargs: function())
        post_save.connect(connected[-1], sender=ApiGateway, weak=False)

    yield connect
    for receiver in connected:
        post_save.disconnect(receiver, sender=ApiGateway)


def succeed(*argv: str) -> Ended:
    ended = run(*argv)
    assert ended.status == 0, ended
    return ended


def keys_of(aws: Any) -> set[str]:
    return {item.get("ApiMappingKey", "") for item in aws.get_api_mappings(DomainName=DOMAIN)["Items"]}


def ignore(step: AnyStep) -> None:
    """Nothing is shown."""


def lose_lease() -> None:
    """What another process writes that takes the row."""
    ApiGateway.objects.update(lease_holder="elsewhere:1:x", last_error="theirs", deployment_id="theirs")


def held_by_others() -> tuple[str, str, str]:
    row = ApiGateway.objects.get()
    return row.lease_holder, row.last_error, row.deployment_id


THEIRS = ("elsewhere:1:x", "theirs", "theirs")


def test_an_earlier_path_of_the_domain_is_pruned_only_after_a_question(aws: Any, moved: ApiGateway) -> None:
    asked = run("sync_routes", "--prune")
    kept = keys_of(aws)
    succeed("sync_routes", "--prune", "--no-input")

    assert asked.status == 1
    assert "Gateway chat: delete api mapping ws.example.com/old in AWS?" in asked.stderr
    assert kept == {"old", "new"}
    assert keys_of(aws) == {"new"}


def test_a_path_that_appears_meanwhile_is_not_pruned(
    aws: Any, moved: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    faults = django_local_gateway.faults
    aws.update_api(ApiId=moved.api_id, Description="by hand")
    faults.control_errors = {"UpdateApi": (503, "ServiceUnavailable")}

    def on_wait(text: str) -> None:
        if "Looking again" in text:
            faults.control_errors = {}
            aws.create_api_mapping(
                DomainName=DOMAIN, ApiId=moved.api_id, Stage="production", ApiMappingKey="else"
            )

    with pytest.raises(PlanOutdatedError, match="no longer those that were confirmed"):
        provision(moved, choices=Choices(prune=True), on_step=ignore, on_wait=on_wait)

    assert keys_of(aws) == {"old", "new", "else"}


@pytest.mark.parametrize("command", ["sync_routes", "create_gateway"])
def test_what_is_deleted_without_prune_is_asked_about_too(aws: Any, chat: ApiGateway, command: str) -> None:
    aws.update_stage(
        ApiId=chat.api_id,
        StageName="production",
        RouteSettings={"$default": {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 5.0}},
    )

    asked = run(command, "chat")
    kept = aws.get_stage(ApiId=chat.api_id, StageName="production")["RouteSettings"]
    succeed(command, "chat", "--no-input")

    assert asked.status == 1
    assert "Gateway chat: delete route settings $default in AWS?" in asked.stderr
    assert set(kept) == {"$default"}
    assert not aws.get_stage(ApiId=chat.api_id, StageName="production").get("RouteSettings")


def test_a_route_that_was_made_again_meanwhile_is_not_pruned(
    aws: Any, chat: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    faults = django_local_gateway.faults
    made = aws.create_route(ApiId=chat.api_id, RouteKey="orders")["RouteId"]
    aws.update_api(ApiId=chat.api_id, Description="by hand")
    faults.control_errors = {"UpdateApi": (503, "ServiceUnavailable")}

    def on_wait(text: str) -> None:
        if "Looking again" in text:
            faults.control_errors = {}
            aws.delete_route(ApiId=chat.api_id, RouteId=made)
            aws.create_route(ApiId=chat.api_id, RouteKey="orders")

    with pytest.raises(PlanOutdatedError, match="no longer those that were confirmed"):
        provision(chat, choices=Choices(prune=True), on_step=ignore, on_wait=on_wait)

    assert "orders" in {route["RouteKey"] for route in aws.get_routes(ApiId=chat.api_id)["Items"]}


def test_every_deletion_outside_our_database_needs_consent(aws: Any, moved: ApiGateway) -> None:
    plan = plan_provisioning(moved, choices=Choices(prune=True)).plan

    assert [step.name for step in plan.deletions] == ["ws.example.com/old"]


def test_delete_gateway_leaves_an_api_that_the_question_did_not_name(
    aws: Any, chat: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    faults = django_local_gateway.faults
    faults.control_errors = {"DeleteApi": (503, "ServiceUnavailable")}
    tags = aws.get_api(ApiId=chat.api_id)["Tags"]
    made: list[str] = []

    def on_wait(text: str) -> None:
        if "Looking again" in text:
            faults.control_errors = {}
            made.append(
                aws.create_api(
                    Name="chat",
                    ProtocolType="WEBSOCKET",
                    RouteSelectionExpression="$request.body.action",
                    Tags=tags,
                )["ApiId"]
            )

    with pytest.raises(PlanOutdatedError, match="no longer those that were confirmed"):
        delete_gateway(chat, confirm=lambda planned: None, on_step=ignore, on_wait=on_wait)

    assert {item["ApiId"] for item in aws.get_apis()["Items"]} == {chat.api_id, *made}
    assert "no longer those that were confirmed" in ApiGateway.objects.get().last_error


def test_delete_gateway_goes_on_where_an_answer_was_lost(
    aws: Any, chat: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    faults = django_local_gateway.faults
    faults.control_errors = {"DeleteApi": (503, "ServiceUnavailable")}

    def on_wait(text: str) -> None:
        if "Looking again" in text:
            faults.control_errors = {}

    delete_gateway(chat, confirm=lambda planned: None, on_step=ignore, on_wait=on_wait)

    assert aws.get_apis()["Items"] == []
    assert not ApiGateway.objects.exists()


@pytest.mark.usefixtures("watchful")
def test_delete_gateway_that_lost_its_lease_leaves_the_row_alone(chat: ApiGateway) -> None:
    with pytest.raises(LeaseLostError, match="run the command again"):
        delete_gateway(
            chat, keep_record=True, confirm=lambda planned: None, on_step=lambda step: lose_lease()
        )

    assert held_by_others() == THEIRS


def test_a_step_that_outlived_its_lease_writes_nothing(
    aws: Any, chat: ApiGateway, django_local_gateway: GatewayHandle
) -> None:
    faults = django_local_gateway.faults
    faults.control_errors = {"DeleteApi": (503, "ServiceUnavailable")}

    def on_wait(text: str) -> None:
        if "trying again" in text:
            faults.control_errors = {}
            lose_lease()

    with pytest.raises(LeaseLostError):
        delete_gateway(chat, keep_record=True, confirm=lambda planned: None, on_step=ignore, on_wait=on_wait)

    assert held_by_others() == THEIRS


@pytest.mark.usefixtures("watchful")
def test_a_task_that_lost_its_lease_leaves_the_other_error(
    chat: ApiGateway, after_saving: Callable[[Callable[[], None]], None]
) -> None:
    ApiGateway.objects.update(target_base_endpoint="https://www.example.com/elsewhere/")
    chat.refresh_from_db()
    fingerprint = plan_provisioning(chat).plan.fingerprint
    after_saving(lose_lease)

    with pytest.raises(LeaseLostError):
        provision_confirmed(chat.pk, fingerprint=fingerprint, prune=False)

    assert held_by_others() == THEIRS


def test_one_loop_applies_plans_and_one_tries_again() -> None:
    assert loops_that_use("HANDLERS") == ["provisioning/applying.py: apply_steps"]
    assert loops_that_use("apply_steps") == []
    assert loops_that_use("_apply", "_UNCLEAR") == ["provisioning/applying.py: _apply_patiently"]
    assert users_of("HANDLERS", outside="provisioning/steps") == ["provisioning/applying.py"]
    assert users_of("apply_patiently") == [
        "provisioning/applying.py", "provisioning/deleting.py", "provisioning/gateways.py",
    ]  # fmt: skip


def modules() -> Iterator[tuple[str, ast.Module]]:
    root = Path(websocket_gateway.__file__).parent
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root).as_posix(), ast.parse(path.read_text())


def names_in(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def loops_that_use(*names: str) -> list[str]:
    """The functions with a loop in which one of the names stands."""
    return [
        f"{module}: {function.name}"
        for module, tree in modules()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for loop in ast.walk(function)
        if isinstance(loop, (ast.For, ast.While)) and names_in(loop) & set(names)
    ]


def users_of(name: str, *, outside: str = "-") -> list[str]:
    """The modules in which the name stands, or is defined as a function."""
    return [
        module
        for module, tree in modules()
        if not module.startswith(outside) and name in names_in(tree) | functions_in(tree)
    ]


def functions_in(tree: ast.AST) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
