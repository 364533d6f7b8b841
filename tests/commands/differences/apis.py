"""The API itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.commands.differences.difference import Difference, row
from tests.support.drift import Site


def api(**changes: Any) -> Callable[[Site], None]:
    return lambda site: site.aws.update_api(ApiId=site.api_id, **changes)


TABLE = [
    Difference("name", api(Name="other"), 'name: "other" -> "', 1),
    Difference("description", api(Description="by hand"), 'description: "by hand" -> "Live"', 1),
    Difference(
        "selection", api(RouteSelectionExpression="$request.body.x"), "route_selection_expression: ", 2
    ),
    Difference(
        "api key", api(ApiKeySelectionExpression="$context.authorizer.usageIdentifierKey"), "api_key_", 2
    ),
    Difference("disabled", api(DisableExecuteApiEndpoint=True), "disable_execute_api_endpoint: true", 2),
    Difference("dual-stack", api(IpAddressType="dualstack"), 'ip_address_type: "dualstack" -> "ipv4"', 1),
    Difference("tag changed", lambda site: site.tag(team="ops"), 'tags[team]: "ops" -> "web"', 1),
    Difference("tag removed", lambda site: site.untag("team"), 'tags[team]: "web"', 1),
    Difference("tag of the settings", lambda site: site.tag(cost="8"), 'tags[cost]: "8" -> "7"', 1),
    Difference("mark removed", lambda site: site.untag("websocket_gateway:uuid"), "tags[websocket_ga", 1),
    Difference("tag gone from the row", row(tags={}), 'tags[team]: "web" -> null', 4),
    Difference("description emptied", api(Description=""), 'description: "" -> "Live"', 1),
]
