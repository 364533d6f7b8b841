"""The checks before a request becomes an event: size, gateway and secret, headers; and permissions."""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from django.http.request import RawPostDataException, UnreadablePostError

from websocket_gateway.conf import get_settings
from websocket_gateway.legacy.events import has_legacy_secret, translate
from websocket_gateway.log_records import get_logger
from websocket_gateway.receiving.authentication import find_gateway, has_origin_secret
from websocket_gateway.receiving.events import API_ID_HEADER
from websocket_gateway.receiving.headers import read_header
from websocket_gateway.views.hooks import WebSocketHooks
from websocket_gateway.views.responses import ErrorCode, RefusalError

logger = get_logger("websocket_gateway.views")

_CONTENT_LENGTH = r"[0-9]{0,18}"


def check_declared_size(request: HttpRequest, limit: int) -> None:
    """Refuse a body whose declared length is too large, before it is read."""
    declared = str(request.META.get("CONTENT_LENGTH") or "")
    if not re.fullmatch(_CONTENT_LENGTH, declared):
        raise RefusalError(ErrorCode.BAD_REQUEST, "The content length is not a number.")
    if declared and int(declared) > limit:
        raise RefusalError(ErrorCode.TOO_LARGE, f"The body has {declared} bytes; {limit} are allowed.")


def check_body(request: HttpRequest, limit: int) -> None:
    """Read the body, and refuse one that is too large or cannot be read."""
    try:
        body = request.body
    except RequestDataTooBig as exc:
        raise RefusalError(ErrorCode.TOO_LARGE, "The body exceeds DATA_UPLOAD_MAX_MEMORY_SIZE.") from exc
    except (RawPostDataException, UnreadablePostError) as exc:
        raise RefusalError(ErrorCode.BAD_REQUEST, "The body cannot be read.") from exc
    if len(body) > limit:
        raise RefusalError(ErrorCode.TOO_LARGE, f"The body has {len(body)} bytes; {limit} are allowed.")


def authenticate(view: WebSocketHooks, request: HttpRequest) -> None:
    """Make the gateway that sent the request `view.api_gateway`. Refuses any other request without a word."""
    if not read_header(request, API_ID_HEADER):
        reason = "The header with the API id is missing."
        raise RefusalError(ErrorCode.BAD_REQUEST, reason, rule="unknown_gateway")
    gateway = find_gateway(request)
    if gateway is None:
        reason = f"No gateway has the API id {read_header(request, API_ID_HEADER)!r}."
        raise RefusalError(ErrorCode.FORBIDDEN, reason, rule="unknown_gateway")
    view.api_gateway = gateway  # not proven yet, but the log names it
    if view.aws_api_gateway_id is not None and gateway.api_id != view.aws_api_gateway_id:
        reason = f"The view serves another API id than that of the gateway {gateway.api_name!r}."
        raise RefusalError(ErrorCode.FORBIDDEN, reason, rule="pinned_gateway")
    if has_origin_secret(request, gateway):
        return
    if has_legacy_secret(request, gateway):
        translate(request, view._slug)
        view._knows_source_ip = False
    elif get_settings().origin_secret_required:
        reason = "The origin secret is missing or wrong; run `manage.py create_gateway`."
        raise RefusalError(ErrorCode.FORBIDDEN, reason, rule="origin_secret")


def missing(request: HttpRequest, names: Iterable[str]) -> list[str]:
    """Return those of `names` that are not headers of the request. An empty header counts as missing."""
    return [name for name in names if not read_header(request, name)]


def has_expected_useragent(request: HttpRequest, prefix: str) -> bool:
    """Whether the user agent of a message or disconnect event is accepted.

    Reports differ on what API Gateway sends, and the header proves nothing. So a mismatch refuses
    only where no origin secret is required; elsewhere it is logged.
    """
    value = read_header(request, "User-Agent")
    if not prefix or value.startswith(prefix):
        return True
    logger.info("an event has an unexpected user agent", extra={"event": "user_agent"})
    return get_settings().origin_secret_required


def has_permissions(view: WebSocketHooks, request: HttpRequest) -> bool:
    """Whether the user has the permissions of both lists of the view."""
    return view._decide("has_any_permission", request) and view._decide("has_all_permission", request)
