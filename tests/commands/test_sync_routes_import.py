"""`sync_routes --import`: what was changed in AWS comes into the rows."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import path

from tests.commands.changes import add_route
from tests.factories import ApiGatewayAdditionalRouteFactory
from tests.support.commands import run
from websocket_gateway.models import ApiGateway, ApiGatewayAdditionalRoute
from websocket_gateway.views import WebSocketView

pytestmark = pytest.mark.django_db


class MovesView(WebSocketView):
    """Serves a route of its own."""

    websocket_route_keys = ("move",)


def test_foreign_routes_and_changed_values_are_taken_into_the_rows(aws: Any, chat: ApiGateway) -> None:
    ApiGatewayAdditionalRouteFactory.create(
        api_gateway=chat, route_key="move", integration_url="https://www.example.com/m", two_way=False
    )
    run("create_gateway", "--tag", "team=web", "--tag", "old=1")
    run("sync_routes")
    add_route(aws, chat.api_id, "orders", "https://www.example.com/orders")
    arn = f"arn:aws:apigateway:eu-west-1::/apis/{chat.api_id}"
    aws.tag_resource(ResourceArn=arn, Tags={"team": "ops"})
    aws.untag_resource(ResourceArn=arn, TagKeys=["old"])
    aws.update_api(ApiId=chat.api_id, Description="by hand")
    aws.update_stage(ApiId=chat.api_id, StageName="production", Description="by hand, too")
    for item in aws.get_integrations(ApiId=chat.api_id)["Items"]:
        uri = item["IntegrationUri"].replace("/ws/", "/sockets/").replace("/m", "/moves")
        aws.update_integration(ApiId=chat.api_id, IntegrationId=item["IntegrationId"], IntegrationUri=uri)

    planned = run("sync_routes", "--import", "--dry-run")
    untouched = ApiGateway.objects.get()
    done = run("sync_routes", "--import")

    assert planned.status == 0, planned
    assert untouched.api_description == ""
    assert "~ Would update record chat (imported from AWS)" in planned.stdout
    assert "+ Would create route record orders (imported from AWS)" in planned.stdout
    assert done.status == 0, done
    row = ApiGateway.objects.get()
    assert (row.api_description, row.stage_description, row.tags, row.target_base_endpoint) == (
        "by hand",
        "by hand, too",
        {"team": "ops"},
        "https://www.example.com/sockets/",
    )
    routes = {
        item.route_key: (item.integration_url, item.two_way, item.deployed)
        for item in ApiGatewayAdditionalRoute.objects.all()
    }
    assert routes == {
        "move": ("https://www.example.com/moves", False, True),
        "orders": ("https://www.example.com/orders", False, True),
    }
    assert run("sync_routes", "--check").status == 0


def test_a_route_of_a_view_that_was_rolled_back_is_not_imported(
    aws: Any, chat: ApiGateway, settings: Any
) -> None:
    before = settings.ROOT_URLCONF
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("<slug:route>", MovesView.as_view())]})
    release = run("sync_routes")
    settings.ROOT_URLCONF = before
    rolled_back = run("sync_routes", "--import")
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [path("<slug:route>", MovesView.as_view())]})
    again = run("sync_routes")

    assert release.status == 0, release
    assert rolled_back.status == 0, rolled_back
    assert "! Unwanted route move (was made for a row or view that is gone" in rolled_back.stdout
    assert not ApiGatewayAdditionalRoute.objects.exists()
    assert again.stdout.splitlines() == [
        "+ Created deployment production (the stage serves an earlier state)"
    ]


def test_a_two_way_route_is_imported_with_the_response_that_it_has(aws: Any, chat: ApiGateway) -> None:
    add_route(aws, chat.api_id, "orders", "https://www.example.com/orders")
    (route,) = [item for item in aws.get_routes(ApiId=chat.api_id)["Items"] if item["RouteKey"] == "orders"]
    two_way = {"RouteResponseSelectionExpression": "$default"}
    aws.update_route(ApiId=chat.api_id, RouteId=route["RouteId"], **two_way)
    aws.create_route_response(ApiId=chat.api_id, RouteId=route["RouteId"], RouteResponseKey="$default")

    ended = run("sync_routes", "--import")

    assert ended.status == 0, ended
    assert "route response" not in ended.stdout
    assert ApiGatewayAdditionalRoute.objects.get().two_way is True
    assert run("sync_routes", "--check").status == 0


def test_two_way_flags_are_taken_over(aws: Any, chat: ApiGateway) -> None:
    (default,) = [r for r in aws.get_routes(ApiId=chat.api_id)["Items"] if r["RouteKey"] == "$default"]
    aws.update_route(ApiId=chat.api_id, RouteId=default["RouteId"], RouteResponseSelectionExpression="")

    run("sync_routes", "--import", "--no-input")

    assert ApiGateway.objects.get().two_way is False
    assert run("sync_routes", "--check").status == 0


def test_what_a_row_cannot_hold_is_left_or_refused(aws: Any, chat: ApiGateway) -> None:
    add_route(
        aws,
        chat.api_id,
        "orders",
        "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/x/invocations",
        IntegrationType="AWS_PROXY",
    )
    left = run("sync_routes", "--import")
    add_route(aws, chat.api_id, "search", "https://www.example.com/search?q=1")
    refused = run("sync_routes", "--import")
    aws.delete_api(ApiId=chat.api_id)
    ApiGateway.objects.update(api_id="")

    assert left.status == 0
    assert "! Unwanted route orders" in left.stdout
    assert refused.status == 1
    assert "Route 'search' of gateway 'chat' cannot be imported into a row" in refused.stderr


def test_a_foreign_route_elsewhere_is_not_given_the_secret(aws: Any, chat: ApiGateway) -> None:
    add_route(aws, chat.api_id, "orders", "https://evil.example.net/orders")

    ended = run("sync_routes", "--import")

    assert ended.status == 1
    assert "points at 'evil.example.net', which is not an allowed target host, so it must" in ended.stderr
    assert "not receive the origin secret" in ended.stderr
    assert not ApiGatewayAdditionalRoute.objects.exists()
