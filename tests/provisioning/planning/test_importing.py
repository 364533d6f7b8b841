"""What AWS knows better, as changes of rows: pure, no database, no AWS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.provisioning.planning.builders import MARK, built, wanted_gateway, wanted_route
from websocket_gateway.provisioning.plan import Kind, RecordStep
from websocket_gateway.provisioning.planning.importing import Importable, plan_import
from websocket_gateway.provisioning.planning.marks import remembering
from websocket_gateway.resources import ObservedGateway, Route, WantedGateway, frozen

TARGET = "https://www.example.com/ws/"


def imported(
    wanted: WantedGateway, observed: ObservedGateway, **rows: Any
) -> list[tuple[str, str, dict[str, object]]]:
    steps = plan_import(wanted, observed, Importable(**{"target": TARGET, **rows}))
    return [(step.kind.value, step.name, _values(step)) for step in steps]


def _values(step: RecordStep) -> dict[str, object]:
    return {change.attribute: change.after for change in step.changes}


def moved(observed: ObservedGateway, indexes: set[int], before: str, after: str) -> ObservedGateway:
    return replace(
        observed,
        integrations=tuple(
            replace(item, integration_uri=item.integration_uri.replace(before, after))
            if index in indexes
            else item
            for index, item in enumerate(observed.integrations)
        ),
    )


def test_what_is_as_wanted_changes_no_row() -> None:
    wanted = wanted_gateway()

    assert imported(wanted, built(wanted)) == []
    assert imported(wanted, ObservedGateway()) == []


def test_attributes_that_a_row_can_hold_are_taken_over() -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    assert observed.api is not None
    observed = replace(
        observed,
        api=replace(observed.api, description="by hand", route_selection_expression="$request.body.x"),
        stages=(replace(observed.stages[0], description="live"),),
    )

    assert imported(wanted, observed) == [
        (
            "record",
            "chat",
            {
                "api_description": "by hand",
                "route_selection_expression": "$request.body.x",
                "stage_description": "live",
            },
        )
    ]


@pytest.mark.parametrize(
    ("present", "remembered", "expected"),
    [
        pytest.param({"team": "ops"}, {"team": ""}, {"team": "ops"}, id="changed"),
        pytest.param({}, {"team": ""}, {}, id="removed"),
        pytest.param({}, {}, None, id="not put there yet"),
        pytest.param({"team": "web", "theirs": "1"}, {"team": ""}, None, id="somebody else's beside it"),
    ],
)
def test_tags_follow_what_was_done_to_ours(
    present: Mapping[str, str], remembered: Mapping[str, str], expected: dict[str, str] | None
) -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    assert observed.api is not None
    tags = frozen({**MARK.tags, **remembering(remembered), **present})
    observed = replace(observed, api=replace(observed.api, tags=tags))

    steps = imported(wanted, observed, tags={"team": "web"})

    assert steps == ([] if expected is None else [("record", "chat", {"tags": expected})])


def test_a_new_target_is_taken_over_only_if_all_three_routes_moved() -> None:
    wanted = wanted_gateway()
    observed = built(wanted)

    assert imported(wanted, moved(observed, {0, 1, 2}, "/ws/", "/sockets/")) == [
        ("record", "chat", {"target_base_endpoint": "https://www.example.com/sockets/"})
    ]
    assert imported(wanted, moved(observed, {0, 1}, "/ws/", "/sockets/")) == []
    assert imported(wanted, moved(observed, {0, 1, 2}, "/ws/", "/ws/x-")) == []


def test_routes_become_rows_and_rows_follow_their_routes() -> None:
    routes = (wanted_route("$connect"), wanted_route("$disconnect"), wanted_route("$default", two_way=True))
    wanted = wanted_gateway(*routes, wanted_route("move"), wanted_route("declared"))
    theirs = wanted_route("new", description="by hand")
    ours = wanted_route("rolled back")
    everything = wanted_gateway(*routes, wanted_route("move"), wanted_route("declared"), theirs, ours)
    observed = moved(built(everything), {3, 4}, "/ws/", "/elsewhere/")
    lambda_route = Route(route_key="lambda", route_id="r9", integration_id="i9")
    broken = Route(route_key="broken", route_id="r8", integration_id="gone")
    function = replace(observed.integrations[0], integration_id="i9", integration_type="AWS_PROXY")
    observed = replace(
        observed,
        routes=(*observed.routes, lambda_route, broken),
        integrations=(*observed.integrations, function),
    )

    assert imported(wanted, observed, row_keys={"move"}) == [
        ("route record", "move", {"integration_url": "https://www.example.com/elsewhere/move"}),
        (
            "route record",
            "new",
            {"name": "new", "integration_url": "https://www.example.com/ws/new", "two_way": False},
        ),
    ]


def test_two_way_follows_the_default_route() -> None:
    wanted = wanted_gateway()
    observed = built(wanted)
    default = replace(observed.routes[2], route_response_selection_expression="")
    observed = replace(observed, routes=(*observed.routes[:2], default))

    (step,) = plan_import(wanted, observed, Importable(target=TARGET))

    assert (step.kind, _values(step)) == (Kind.RECORD, {"two_way": False})
