"""Wanted and observed gateways for the planning tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from websocket_gateway.provisioning.planning import marks
from websocket_gateway.provisioning.planning.routes import TWO_WAY
from websocket_gateway.resources import (
    Api,
    Deployment,
    Integration,
    ObservedGateway,
    Route,
    RouteResponse,
    Stage,
    WantedGateway,
    WantedRoute,
    frozen,
)

UUID = "11111111-2222-3333-4444-555555555555"
MARK = marks.Mark(uuid=UUID, installation="abcdef0123456789")
API_ID = "a1b2c3"


def wanted_route(route_key: str, *, two_way: bool = False, **changes: Any) -> WantedRoute:
    integration = Integration(
        description=MARK.integration_description(route_key),
        integration_uri=f"https://www.example.com/ws/{route_key.strip('$')}",
        request_parameters=frozen({"integration.request.header.connectionId": "context.connectionId"}),
        secret_fingerprint="f" * 16,
    )
    return WantedRoute(route_key=route_key, two_way=two_way, integration=replace(integration, **changes))


def wanted_gateway(*routes: WantedRoute) -> WantedGateway:
    return WantedGateway(
        api=Api(
            name="chat",
            route_selection_expression="$request.body.action",
            api_key_selection_expression="$request.header.x-api-key",
            tags=frozen(MARK.tags),
        ),
        routes=routes
        or (wanted_route("$connect"), wanted_route("$disconnect"), wanted_route("$default", two_way=True)),
        stage=Stage(stage_name="production", logging_level="OFF", tags=frozen(MARK.tags)),
    )


def built(wanted: WantedGateway) -> ObservedGateway:
    """What AWS reports once `wanted` has been applied to the last step."""
    integrations = tuple(
        replace(route.integration, integration_id=f"i{index}") for index, route in enumerate(wanted.routes)
    )
    routes = tuple(
        Route(
            route_key=route.route_key,
            route_id=f"r{index}",
            integration_id=f"i{index}",
            route_response_selection_expression=TWO_WAY if route.two_way else "",
        )
        for index, route in enumerate(wanted.routes)
    )
    return ObservedGateway(
        api=replace(
            wanted.api, api_id=API_ID, api_endpoint="wss://a1b2c3.execute-api.eu-west-1.amazonaws.com"
        ),
        integrations=integrations,
        routes=routes,
        route_responses={
            route.route_id: (RouteResponse(route_response_id="rr"),)
            for route in routes
            if route.route_response_selection_expression
        },
        stages=(replace(wanted.stage, deployment_id="d1"),),
        deployment=Deployment(
            deployment_id="d1", status="DEPLOYED", description=marks.deployment_description(wanted)
        ),
    )
