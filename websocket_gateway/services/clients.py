"""What a browser must know to connect."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import MultipleObjectsReturned

from websocket_gateway.aws.endpoints import socket_url
from websocket_gateway.events import SUBPROTOCOL
from websocket_gateway.exceptions import GatewayNotFoundError
from websocket_gateway.models import ApiGateway


def find_gateway_by_name(name: str = "") -> ApiGateway:
    """The gateway called `name`, or the only one there is. Raises `GatewayNotFoundError`."""
    gateways = ApiGateway.objects.filter(api_name=name) if name else ApiGateway.objects.all()
    try:
        found: ApiGateway = gateways.get()
    except ApiGateway.DoesNotExist:
        raise GatewayNotFoundError(
            f"There is no gateway {name!r}." if name else "There is no gateway."
        ) from None
    except MultipleObjectsReturned:
        raise GatewayNotFoundError("There are several gateways; name one.") from None
    return found


def find_socket_url(gateway: ApiGateway) -> str:
    """The `wss://` URL of a gateway: the custom domain once that exists, else the stage; else empty."""
    if gateway.domain_name and gateway.custom_domain_created:
        return f"wss://{gateway.domain_name}" + (f"/{gateway.mapping_key}" if gateway.mapping_key else "")
    if not gateway.api_endpoint:
        return ""
    return socket_url(api_endpoint=gateway.api_endpoint, stage_name=gateway.stage_name)


def build_client_config(
    gateway: ApiGateway, *, channel_name: str = "", token_url: str = ""
) -> dict[str, Any]:
    """The client's configuration: nothing in it is secret. An empty `tokenUrl` means a public endpoint."""
    return {
        "url": find_socket_url(gateway),
        "tokenUrl": token_url,
        "channel": channel_name,
        "subprotocol": SUBPROTOCOL,
    }
