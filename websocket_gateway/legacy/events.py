"""Events as integrations of django-aws-api-gateway-websockets send them, until `sync_routes` replaces those.

They map only the connection id and a secret of the project. So the client wrote every other header
that this package maps itself, and these headers are removed.
"""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from websocket_gateway import context_headers
from websocket_gateway.conf import get_settings
from websocket_gateway.log_records import get_logger
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.credentials import take_credentials
from websocket_gateway.receiving.events import EVENT_TYPES
from websocket_gateway.receiving.headers import meta_key

logger = get_logger("websocket_gateway.views")

_GRACE = timedelta(minutes=5)
"""Events that were sent before the new mappings were deployed can still arrive this long after."""
_MAPPED_BY_US = {
    *context_headers.CONTEXT_HEADERS,
    *context_headers.MESSAGE_CONTEXT_HEADERS,
    context_headers.ORIGIN_SECRET_HEADER,
}
_warned: set[str] = set()
"""API ids for which a warning about the old secret was logged."""


def has_legacy_secret(request: HttpRequest, gateway: ApiGateway) -> bool:
    """Whether the request has the secret of the other package, and the gateway may still send it.

    The gateway may do so if it was imported and not applied since, and as long as the settings have
    `WEBSOCKETS["gateway_secret"]`.
    """
    if gateway.imported_on is None or _is_migrated(gateway):
        return False
    value = take_credentials(request).legacy_secret
    found = False
    for secret in get_settings().legacy_secrets:  # compare all, so that the time tells nothing
        found |= value.isascii() and constant_time_compare(value, secret)
    if found:
        _warn_once(gateway)
    return found


def translate(request: HttpRequest, slug: str) -> None:
    """Correct the headers of the request: remove those that a client can write, take the type from the URL.

    `slug` is the last part of the URL, which the integration fixes.
    """
    for name in _MAPPED_BY_US - {context_headers.CONNECTION_ID_HEADER}:
        request.META.pop(meta_key(name), None)
    request.META[meta_key(context_headers.EVENT_TYPE_HEADER)] = EVENT_TYPES.get(slug, "MESSAGE")
    vars(request).pop("headers", None)


def _is_migrated(gateway: ApiGateway) -> bool:
    applied = gateway.last_applied_on
    return applied is not None and timezone.now() - applied > _GRACE


def _warn_once(gateway: ApiGateway) -> None:
    if gateway.api_id in _warned:
        return
    _warned.add(gateway.api_id)
    logger.warning(
        "gateway %r still sends the secret of django-aws-api-gateway-websockets (%s); "
        "run `manage.py sync_routes`",
        gateway.api_name,
        context_headers.LEGACY_SECRET_HEADER,
        extra={"event": "legacy_secret", "gateway": gateway.api_name},
    )
