"""Events as integrations of django-aws-api-gateway-websockets send them, until `sync_routes` replaces those.

They map the connection id and a secret of the project's own, and nothing else. So whatever else
stands in a header that we map ourselves was written by the client, and is thrown away.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from websocket_gateway import context_headers
from websocket_gateway.conf import get_settings
from websocket_gateway.models import ApiGateway
from websocket_gateway.receiving.events import EVENT_TYPES, meta_key, read_header

logger = logging.getLogger("websocket_gateway.views")

SECRET_HEADER: Final = "X-Ws-Gateway-Secret"  # noqa: S105 - the name of a header

_GRACE = timedelta(minutes=5)
"""After the new mappings were deployed, events that were sent before may still be on their way."""
_MAPPED_BY_US = {
    *context_headers.CONTEXT_HEADERS,
    *context_headers.MESSAGE_CONTEXT_HEADERS,
    context_headers.ORIGIN_SECRET_HEADER,
}
_noted: set[str] = set()
"""API ids for which the log has said that the old secret is in use."""


def has_legacy_secret(request: HttpRequest, gateway: ApiGateway) -> bool:
    """Whether the request carries the other package's secret, and the gateway may still send that.

    It may if it was imported and not applied since, and as long as `WEBSOCKETS["gateway_secret"]`
    stands in the settings.
    """
    if gateway.imported_on is None or _is_through(gateway):
        return False
    value = read_header(request, SECRET_HEADER)
    found = False
    for secret in get_settings().legacy_secrets:  # each is compared, whatever the first one answers
        found |= value.isascii() and constant_time_compare(value, secret)
    if found:
        _note(gateway)
    return found


def translate(request: HttpRequest, slug: str) -> None:
    """Put the headers of the request right: what the client may have written goes, the URL says the rest.

    `slug` is the last part of the URL, which the integration fixes.
    """
    for name in _MAPPED_BY_US - {context_headers.CONNECTION_ID_HEADER}:
        request.META.pop(meta_key(name), None)
    request.META[meta_key(context_headers.EVENT_TYPE_HEADER)] = EVENT_TYPES.get(slug, "MESSAGE")
    vars(request).pop("headers", None)


def _is_through(gateway: ApiGateway) -> bool:
    applied = gateway.last_applied_on
    return applied is not None and timezone.now() - applied > _GRACE


def _note(gateway: ApiGateway) -> None:
    if gateway.api_id in _noted:
        return
    _noted.add(gateway.api_id)
    logger.warning(
        "gateway %r still sends the secret of django-aws-api-gateway-websockets (%s); "
        "run `manage.py sync_routes`",
        gateway.api_name,
        SECRET_HEADER,
        extra={"event": "legacy_secret", "api_id": gateway.api_id},
    )
