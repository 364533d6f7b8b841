"""What the tests of `import_legacy_gateways` compare."""

from __future__ import annotations

from websocket_gateway.models import (
    ApiGateway,
    ApiGatewayAdditionalRoute,
    ChannelPermission,
    WebSocketSession,
)

NOTHING = "Nothing to do: everything that can be imported is here.\n"


def counts() -> tuple[int, ...]:
    models = (ApiGateway, ApiGatewayAdditionalRoute, ChannelPermission, WebSocketSession)
    return tuple(model._default_manager.count() for model in models)
