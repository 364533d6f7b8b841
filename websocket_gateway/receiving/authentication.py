"""Whether a request came from one of our API Gateways: the gateway that it names, and the origin secret."""

from __future__ import annotations

from django.http import HttpRequest

from websocket_gateway import context_headers
from websocket_gateway.models import ApiGateway
from websocket_gateway.origin_secret import is_origin_secret
from websocket_gateway.receiving.events import API_ID_HEADER, read_header
from websocket_gateway.receiving.gateways import known_gateways


def find_gateway(request: HttpRequest) -> ApiGateway | None:
    """The gateway that the request names; at most `GATEWAY_CACHE_SECONDS` old. This proves nothing yet."""
    api_id = read_header(request, API_ID_HEADER)
    return known_gateways().find(api_id) if api_id else None


def has_origin_secret(request: HttpRequest, gateway: ApiGateway) -> bool:
    """Whether the request has the secret that only the integrations of this gateway know."""
    value = read_header(request, context_headers.ORIGIN_SECRET_HEADER)
    return value.isascii() and is_origin_secret(value, gateway.api_id)
