"""The secrets that a request carries, taken out of it at once: no log and no error report can show them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest

from websocket_gateway.context_headers import LEGACY_SECRET_HEADER, ORIGIN_SECRET_HEADER
from websocket_gateway.receiving.headers import meta_key, read_header

TOKEN_PARAMETER: Final = "ws_token"  # noqa: S105 - the name of a query parameter
TOKEN_SUBPROTOCOL_PREFIX: Final = "wstoken."  # noqa: S105 - a prefix
HIDDEN: Final = "hidden"
_SECRET_LENGTH: Final = 16
"""Shorter texts are none of our secrets: a client may send the letter `e` as its token."""
_KEPT: Final = "_websocket_gateway_credentials"
_PROTOCOLS: Final = "Sec-WebSocket-Protocol"


class Credentials:
    """Origin secret and tokens of one request. Its representation shows none of them."""

    __slots__ = (
        *("is_query_readable", "is_settled", "legacy_secret", "origin_secret"),
        *("query_tokens", "subprotocols"),
    )

    def __init__(self, request: HttpRequest) -> None:
        self.origin_secret = read_header(request, ORIGIN_SECRET_HEADER)
        self.legacy_secret = read_header(request, LEGACY_SECRET_HEADER)
        offered = (part.strip() for part in read_header(request, _PROTOCOLS).split(","))
        self.subprotocols = tuple(part for part in offered if part)
        self.query_tokens, self.is_query_readable = _read_query(request)
        self.is_settled = False
        """Whether the tokens are used up, or open nothing anyway."""

    def __repr__(self) -> str:
        return "<Credentials>"

    def hide_in(self, text: str) -> str:
        """A text, such as the reason that a hook gives, without these secrets."""
        for secret in {self.origin_secret, self.legacy_secret, *self.tokens}:
            if len(secret) >= _SECRET_LENGTH:
                text = text.replace(secret, HIDDEN)
        return text

    @property
    def tokens(self) -> tuple[str, ...]:
        """Every token of the request, however often each was given."""
        marked = (part for part in self.subprotocols if part.startswith(TOKEN_SUBPROTOCOL_PREFIX))
        return (
            *filter(None, self.query_tokens),
            *(part.removeprefix(TOKEN_SUBPROTOCOL_PREFIX) for part in marked),
        )


def _read_query(request: HttpRequest) -> tuple[tuple[str, ...], bool]:
    """The tokens of the query string, and whether Django can read it: it refuses too many fields."""
    text = str(request.META.get("QUERY_STRING") or "")
    if not text:
        return (), True
    try:
        return tuple(request.GET.getlist(TOKEN_PARAMETER)), True
    except SuspiciousOperation:
        return tuple(value for name, value in parse_qsl(text) if name == TOKEN_PARAMETER), False


def take_credentials(request: HttpRequest) -> Credentials:
    """The secrets of a request, which are hidden in it from the first call on.

    They leave `META`, the cached headers, the raw addresses that servers add, and the scope of ASGI.
    """
    kept: Credentials | None = vars(request).get(_KEPT)
    if kept is None:
        kept = vars(request)[_KEPT] = Credentials(request)
        _hide_headers(request, kept)
        if kept.query_tokens or not kept.is_query_readable:
            _hide_query(request, readable=kept.is_query_readable)
    return kept


def _hide_headers(request: HttpRequest, found: Credentials) -> None:
    secrets = {ORIGIN_SECRET_HEADER: found.origin_secret, LEGACY_SECRET_HEADER: found.legacy_secret}
    hidden = {name: HIDDEN for name, value in secrets.items() if value}
    rest = [part for part in found.subprotocols if TOKEN_SUBPROTOCOL_PREFIX not in part]
    if len(rest) < len(found.subprotocols):
        hidden[_PROTOCOLS] = ", ".join(rest)
    if not hidden:
        return
    request.META.update({meta_key(name): value for name, value in hidden.items()})
    vars(request).pop("headers", None)
    scope = getattr(request, "scope", None)
    if isinstance(scope, dict):
        _hide_in_scope(scope, {name.lower().encode(): value.encode() for name, value in hidden.items()})


def _hide_in_scope(scope: dict[str, Any], hidden: dict[bytes, bytes]) -> None:
    headers: Iterable[tuple[bytes, bytes]] = scope.get("headers") or ()
    changed = [(name, hidden.get(bytes(name).lower(), value)) for name, value in headers]
    if isinstance(headers, list):
        headers[:] = changed  # the same list, which copies of the scope share
    else:
        scope["headers"] = changed


def _hide_query(request: HttpRequest, *, readable: bool) -> None:
    """Replace the query string, also where servers repeat it (`RAW_URI`, `REQUEST_URI`)."""
    before, after = str(request.META.get("QUERY_STRING", "")), ""
    if readable:
        rest = request.GET.copy()
        rest[TOKEN_PARAMETER] = HIDDEN
        after = rest.urlencode()
        vars(request)["GET"] = rest
    for key, value in request.META.items():
        if before and isinstance(value, str) and before in value:
            request.META[key] = value.replace(before, after)
    scope = getattr(request, "scope", None)
    if isinstance(scope, dict):
        scope["query_string"] = after.encode()
