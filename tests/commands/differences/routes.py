"""Routes and their responses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.commands.differences.difference import Difference, row
from tests.factories import ApiGatewayAdditionalRouteFactory
from tests.support.drift import Site


def delete_route_and_integration(site: Site) -> None:
    integration_id = site.integration_id("move")
    site.aws.delete_route(ApiId=site.api_id, RouteId=site.route("move")["RouteId"])
    site.aws.delete_integration(ApiId=site.api_id, IntegrationId=integration_id)


def duplicate_route(site: Site) -> None:
    # The control plane refuses a second route of a key; a race in AWS might not.
    record = site.record()
    first = next(item for item in record.routes.values() if item["routeKey"] == "move")
    record.routes["r999999"] = {**first, "routeId": "r999999"}


def delete_response(site: Site) -> None:
    route_id = site.route("$default")["RouteId"]
    (response,) = site.aws.get_route_responses(ApiId=site.api_id, RouteId=route_id)["Items"]
    site.aws.delete_route_response(
        ApiId=site.api_id, RouteId=route_id, RouteResponseId=response["RouteResponseId"]
    )


def stray_response(site: Site) -> None:
    site.aws.create_route_response(
        ApiId=site.api_id, RouteId=site.route("move")["RouteId"], RouteResponseKey="$default"
    )


def require_a_parameter(site: Site) -> None:
    name = "route.request.querystring.token"
    site.change_route("$connect", RequestParameters={name: {"Required": True}})


def swap_targets(site: Site) -> None:
    default, move = site.integration_id("$default"), site.integration_id("move")
    site.change_route("$default", Target=f"integrations/{move}")
    site.change_route("move", Target=f"integrations/{default}")


def delete_every_route(site: Site) -> None:
    for item in site.aws.get_routes(ApiId=site.api_id)["Items"]:
        site.aws.delete_route(ApiId=site.api_id, RouteId=item["RouteId"])


def add_a_row(site: Site) -> None:
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=site.row,
        route_key="leave",
        integration_url="https://www.example.com/leave",
        two_way=False,
    )


def route(route_key: str, **changes: Any) -> Callable[[Site], None]:
    return lambda site: site.change_route(route_key, **changes)


TABLE = [
    Difference(
        "target",
        lambda site: site.change_route("move", Target=f"integrations/{site.integration_id('$default')}"),
        'integration_id: "',
        2,
    ),
    Difference("targets swapped", swap_targets, "integration_uri: ", 3),
    Difference("route renamed", route("move", RouteKey="moved"), "Unwanted route moved", 5, ("--prune",)),
    Difference("every route missing", delete_every_route, "create route $disconnect (missing in AWS)", 6),
    Difference("API key required", route("move", ApiKeyRequired=True), "api_key_required: true -> false", 2),
    Difference(
        "authorization",
        route("$connect", AuthorizationType="AWS_IAM"),
        'authorization_type: "AWS_IAM" -> "NONE"',
        2,
    ),
    Difference(
        "two-way undone",
        route("$default", RouteResponseSelectionExpression=""),
        'route_response_selection_expression: "" -> "$default"',
        2,
    ),
    Difference(
        "two-way by hand",
        route("move", RouteResponseSelectionExpression="$default"),
        'route_response_selection_expression: "$default" -> ""',
        2,
    ),
    Difference("required parameter", require_a_parameter, 'request_parameters: ["route.request.que', 2),
    Difference(
        "route missing",
        lambda site: site.aws.delete_route(ApiId=site.api_id, RouteId=site.route("move")["RouteId"]),
        "create route move (missing in AWS; declared by the additional route 'Moves')",
        2,
    ),
    Difference("route and integration missing", delete_route_and_integration, "create integration move", 3),
    Difference(
        "$connect missing",
        lambda site: site.aws.delete_route(ApiId=site.api_id, RouteId=site.route("$connect")["RouteId"]),
        "create route $connect (missing in AWS)",
        2,
    ),
    Difference(
        "foreign route", lambda site: site.add_route("orders"), "Unwanted route orders", 3, ("--prune",)
    ),
    Difference(
        "foreign route on our integration",
        lambda site: site.add_route("orders", site.integration_id("move")),
        "Unwanted route orders",
        5,
        ("--prune",),
    ),
    Difference("route twice", duplicate_route, "a second route of this key", 2, ("--prune",), "store"),
    Difference("row new", add_a_row, "create route leave", 3),
    Difference(
        "row gone",
        lambda site: site.row.additional_routes.all().delete(),
        "was made for a row",
        3,
        ("--prune",),
    ),
    Difference("two-way in the row", row(two_way=False), "delete route response $default", 3),
    Difference("response missing", delete_response, "create route response $default", 2),
    Difference("stray response", stray_response, "delete route response move", 2, ("--deep",)),
]
