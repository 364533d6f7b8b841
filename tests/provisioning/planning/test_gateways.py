"""Plans of whole gateways: pure, no database, no AWS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.provisioning.planning.builders import MARK, built, wanted_gateway, wanted_route
from websocket_gateway.provisioning.plan import Action, Change, Plan, PlanError
from websocket_gateway.provisioning.planning.gateway import plan_gateway
from websocket_gateway.resources import ObservedGateway, Route, Stage, WantedGateway, frozen


def outline(plan: Plan) -> list[tuple[str, str, str]]:
    return [(step.action.value, step.kind.value, step.name) for step in plan]


def test_a_gateway_that_does_not_exist_is_planned_in_the_order_that_aws_accepts() -> None:
    plan = plan_gateway(wanted_gateway(), ObservedGateway())

    assert outline(plan) == [
        ("create", "api", "chat"),
        ("create", "integration", "$connect"),
        ("create", "integration", "$disconnect"),
        ("create", "integration", "$default"),
        ("create", "route", "$connect"),
        ("create", "route", "$disconnect"),
        ("create", "route", "$default"),
        ("create", "route response", "$default"),
        ("create", "stage", "production"),
        ("create", "deployment", "production"),
    ]


def test_a_gateway_that_is_as_wanted_needs_nothing() -> None:
    wanted = wanted_gateway()

    plan = plan_gateway(wanted, built(wanted))

    assert not plan
    assert plan.notes == ()


def cut_off_after(count: int) -> tuple[WantedGateway, ObservedGateway]:
    """What AWS reports when a run ended after `count` steps of the plan above."""
    wanted = wanted_gateway()
    full = built(wanted)
    if count == 0:
        return wanted, ObservedGateway()
    return wanted, replace(
        full,
        integrations=full.integrations[: max(0, count - 1)],
        routes=full.routes[: max(0, count - 4)],
        route_responses=full.route_responses if count > 7 else {},
        stages=() if count < 9 else (replace(wanted.stage, deployment_id="d1" if count > 9 else ""),),
        deployment=full.deployment if count > 9 else None,
    )


@pytest.mark.parametrize("count", range(11))
def test_a_run_that_was_cut_off_is_finished_with_the_remaining_steps(count: int) -> None:
    whole = outline(plan_gateway(wanted_gateway(), ObservedGateway()))

    plan = plan_gateway(*cut_off_after(count))

    assert outline(plan) == whole[count:]
    assert plan.notes == ()


def test_an_integration_left_by_an_earlier_run_is_put_to_use_by_its_mark() -> None:
    wanted = wanted_gateway()
    observed = replace(built(wanted), routes=(), route_responses={})

    plan = plan_gateway(wanted, observed)

    assert "integration" not in {step.kind.value for step in plan}
    targets = {step.name: step.resource.integration_id for step in plan if isinstance(step.resource, Route)}
    assert targets == {"$connect": "i0", "$disconnect": "i1", "$default": "i2"}


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        pytest.param("integration_uri", "https://elsewhere.example.com/", id="uri"),
        pytest.param("integration_type", "HTTP", id="type"),
        pytest.param("integration_method", "ANY", id="method"),
        pytest.param("timeout_in_millis", 1000, id="timeout"),
        pytest.param("passthrough_behavior", "NEVER", id="passthrough"),
        pytest.param("secret_fingerprint", "0" * 16, id="secret"),
        pytest.param("description", "made by hand", id="mark"),
    ],
)
def test_a_difference_in_an_integration_is_seen_and_deployed(attribute: str, value: object) -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    changed = replace(observed.integrations[2], **{attribute: value})  # type: ignore[arg-type]
    observed = replace(observed, integrations=(*observed.integrations[:2], changed))

    plan = plan_gateway(wanted, observed)

    assert outline(plan) == [
        ("update", "integration", "$default"),
        ("create", "deployment", "production"),
    ]
    expected = getattr(wanted.routes[2].integration, attribute)
    assert plan.steps[0].changes == (Change(attribute=attribute, before=value, after=expected),)


def test_each_request_parameter_is_compared_by_itself() -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    header = "integration.request.header."
    parameters = frozen({f"{header}connectionId": "'forged'", f"{header}extra": "'1'"})
    changed = replace(observed.integrations[0], request_parameters=parameters)
    observed = replace(observed, integrations=(changed, *observed.integrations[1:]))

    (step, _) = plan_gateway(wanted, observed)

    assert step.changes == (
        Change(
            attribute=f"request_parameters[{header}connectionId]",
            before="'forged'",
            after="context.connectionId",
        ),
        Change(attribute=f"request_parameters[{header}extra]", before="'1'", after=None),
    )


def test_routes_that_share_an_integration_get_one_each() -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    shared = tuple(replace(route, integration_id="i0") for route in observed.routes)
    observed = replace(observed, routes=shared, integrations=observed.integrations[:1])

    plan = plan_gateway(wanted, observed)

    assert outline(plan) == [
        ("create", "integration", "$disconnect"),
        ("create", "integration", "$default"),
        ("update", "route", "$disconnect"),
        ("update", "route", "$default"),
        ("create", "deployment", "production"),
    ]


def test_a_route_that_becomes_one_way_loses_its_response() -> None:
    observed = built(wanted_gateway())
    wanted = wanted_gateway(
        wanted_route("$connect"), wanted_route("$disconnect"), wanted_route("$default", two_way=False)
    )

    plan = plan_gateway(wanted, observed)

    assert outline(plan) == [
        ("update", "route", "$default"),
        ("delete", "route response", "$default"),
        ("create", "deployment", "production"),
    ]


def test_tags_of_others_are_left_alone_and_ours_are_put_back() -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    api = observed.api
    assert api is not None
    observed = replace(observed, api=replace(api, tags=frozen({"cost-centre": "7"})))

    plan = plan_gateway(wanted, observed)

    assert outline(plan) == [("update", "api", "chat")]
    assert {change.attribute for change in plan.steps[0].changes} == {f"tags[{key}]" for key in MARK.tags}


def test_settings_of_a_stage_apply_without_a_deployment() -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    wanted = replace(wanted, stage=replace(wanted.stage, throttling_rate_limit=50.0, description="live"))

    plan = plan_gateway(wanted, observed)

    assert outline(plan) == [("update", "stage", "production")]
    assert {change.attribute for change in plan.steps[0].changes} == {"throttling_rate_limit", "description"}


@pytest.mark.parametrize(
    ("status", "description", "expected"),
    [
        pytest.param("FAILED", None, [("create", "deployment", "production")], id="failed"),
        pytest.param("PENDING", None, [("wait", "deployment", "production")], id="pending"),
        pytest.param("DEPLOYED", "by hand", [("create", "deployment", "production")], id="foreign"),
        pytest.param("DEPLOYED", None, [], id="ours"),
    ],
)
def test_the_deployment_that_the_stage_serves_is_judged(
    status: str, description: str | None, expected: list[tuple[str, str, str]]
) -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    served = observed.deployment
    assert served is not None
    served = replace(served, status=status, description=description or served.description)

    plan = plan_gateway(wanted, replace(observed, deployment=served))

    assert outline(plan) == expected


def test_what_is_not_ours_is_reported_and_not_touched() -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    foreign_route = replace(observed.routes[0], route_key="orders", route_id="r9", integration_id="i9")
    orphan = replace(observed.integrations[0], integration_id="i8", description="by hand")
    behind = replace(observed.integrations[0], integration_id="i9", description="by hand")
    observed = replace(
        observed,
        routes=(*observed.routes, foreign_route),
        integrations=(*observed.integrations, orphan, behind),
        stages=(*observed.stages, Stage(stage_name="beta")),
    )

    plan = plan_gateway(wanted, observed)

    assert not plan
    assert plan.drift
    assert [(step.kind.value, step.name, step.reason) for step in plan.left] == [
        ("route", "orders", "no row and no view declares it"),
        ("integration", "i8", "serves no route: POST https://www.example.com/ws/connect"),
        ("stage", "beta", "not ours"),
    ]


def test_pruning_takes_what_would_be_left_and_deploys() -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    foreign_route = replace(observed.routes[0], route_key="orders", route_id="r9", integration_id="i9")
    behind = replace(observed.integrations[0], integration_id="i9", description="by hand")
    observed = replace(
        observed,
        routes=(*observed.routes, foreign_route),
        integrations=(*observed.integrations, behind),
        stages=(*observed.stages, Stage(stage_name="beta")),
    )

    plan = plan_gateway(wanted, observed, prune=True)

    assert outline(plan) == [
        ("delete", "route", "orders"),
        ("delete", "integration", "i9"),
        ("create", "deployment", "production"),
        ("delete", "stage", "beta"),
    ]
    assert (plan.left, len(plan.deletions)) == ((), 3)


def test_only_a_wait_or_tags_alone_need_no_deployment() -> None:
    steps = plan_gateway(wanted_gateway(), ObservedGateway()).steps

    assert [step.structural for step in steps] == [True] * 8 + [False] * 2
    assert {step.action for step in steps} == {Action.CREATE}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        pytest.param(["move", "move"], "route 'move' is wanted 2 times", id="twice"),
        pytest.param(["$orders"], "keys that begin with \\$ belong to AWS", id="reserved"),
        pytest.param([""], "route key '' is not allowed", id="empty"),
        pytest.param([f"r{number}" for number in range(301)], "301 routes are wanted", id="too many"),
    ],
)
def test_routes_that_aws_would_refuse_are_no_plan(keys: list[str], message: str) -> None:
    wanted = wanted_gateway(*(wanted_route(key) for key in keys))

    with pytest.raises(PlanError, match=message):
        plan_gateway(wanted, ObservedGateway())
