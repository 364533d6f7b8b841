"""Integrations: where messages go, and what is mapped into the request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.commands.differences.difference import Difference, parameter
from tests.support.drift import Site
from websocket_gateway.provisioning.planning.marks import Mark


def duplicate_integration(site: Site) -> None:
    mark = Mark(uuid=str(site.row.uuid), installation="0" * 16)
    site.add_integration(Description=mark.integration_description("move"))


def map_query(site: Site) -> None:
    site.change_integration(
        "move", RequestParameters={"integration.request.querystring.id": "context.connectionId"}
    )


def integration(**changes: Any) -> Callable[[Site], None]:
    return lambda site: site.change_integration("move", **changes)


TABLE = [
    Difference(
        "URL", integration(IntegrationUri="https://www.example.com/x"), 'integration_uri: "https://www.e', 2
    ),
    Difference("method", integration(IntegrationMethod="PUT"), 'integration_method: "PUT" -> "POST"', 2),
    Difference("type", integration(IntegrationType="HTTP"), 'integration_type: "HTTP" -> "HTTP_PROXY"', 2),
    Difference("time-out", integration(TimeoutInMillis=500), "timeout_in_millis: 500 -> 20000", 2),
    Difference("passthrough", integration(PassthroughBehavior="NEVER"), 'passthrough_behavior: "NEVER"', 2),
    Difference("mark of an integration", integration(Description="mine"), 'description: "mine" -> ', 2),
    Difference(
        "mapping changed", parameter("connectionId", "'x'"), "header.connectionId]: \"'static text ", 2
    ),
    Difference("stage not mapped", parameter("wsStage", ""), 'wsStage]: "context.stage"', 2),
    Difference("request not mapped", parameter("wsRequestId", ""), 'wsRequestId]: "context.requestId"', 2),
    Difference("mapping removed", parameter("wsSourceIp", ""), "header.wsSourceIp]: ", 2),
    Difference("mapping added", parameter("extra", "'1'"), "header.extra]: \"'static text ", 2),
    Difference("static header", parameter("Sec-WebSocket-Version", "'13'"), "Sec-WebSocket-Version]: ", 2),
    Difference("secret changed", parameter("wsOriginSecret", "'guess'"), "origin secret: another one", 2),
    Difference("secret removed", parameter("wsOriginSecret", ""), "origin secret: none -> the current", 2),
    Difference("query string mapped", map_query, "integration.request.querystring.id]: ", 2),
    Difference("orphan", lambda site: site.add_integration(), "Unwanted integration", 1, ("--prune",)),
    Difference("second integration", duplicate_integration, "Unwanted integration", 1, ("--prune",)),
]
