"""For Sentry, which copies a request before any view has run: take our secrets out of what it sends.

Name it in the settings of the project; nothing of Sentry is imported here.

    sentry_sdk.init(..., before_send=scrub, before_send_transaction=scrub)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from websocket_gateway.context_headers import LEGACY_SECRET_HEADER, ORIGIN_SECRET_HEADER

E = TypeVar("E")

FILTERED: Final = "[Filtered]"
_MARK: Final = r"%(?:25)*"
"""The start of an encoded character, however often it was encoded."""
_TOKENS: Final = rf"(\bws(?:_|{_MARK}5f)token(?:=|{_MARK}3d)|\bwstoken\.)[^\s&,;\"'#]+"
_SECRETS: Final = (
    r"((?<![a-z0-9])(?:wsoriginsecret|x[-_]ws[-_]gateway[-_]secret)['\"]?"
    r"\s*[:=,]\s*b?['\"]?)[^\s&,;\"'#)}\]]+"
)
_IN_TEXT: Final = re.compile(rf"{_TOKENS}|{_SECRETS}", re.IGNORECASE)
_REPRESENTATION: Final = re.compile(r"b?(['\"])(.*)\1")
"""Sentry shows local variables, and the keys of dicts in them, by their `repr()`."""


def scrub(event: E, hint: object = None) -> E:
    """The event of Sentry, a dict, without origin secrets and tokens wherever they stand in it."""
    cleaned: E = _clean(event)
    return cleaned


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: FILTERED if _is_secret(key) else _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        # Headers and query strings may be lists of pairs.
        is_pair = len(value) == 2 and _is_secret(value[0])
        cleaned = [value[0], FILTERED] if is_pair else [_clean(item) for item in value]
        return tuple(cleaned) if isinstance(value, tuple) else cleaned
    if isinstance(value, bytes):
        return _clean(value.decode("latin-1")).encode("latin-1")
    if isinstance(value, str):
        return _IN_TEXT.sub(lambda found: f"{found[1] or found[2]}{FILTERED}", value)
    return value


def _is_secret(name: object) -> bool:
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    text = str(name)
    if shown := _REPRESENTATION.fullmatch(text):
        text = shown[2]
    plain = text.lower().replace("-", "").replace("_", "").removeprefix("http")
    return plain in _NAMES


_NAMES: Final = frozenset(
    {ORIGIN_SECRET_HEADER.lower(), LEGACY_SECRET_HEADER.lower().replace("-", ""), "wstoken"}
)
