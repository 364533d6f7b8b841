"""Headers of a request, by their name."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from django.http import HttpRequest

_BARE_KEYS: Final = frozenset({"CONTENT_TYPE", "CONTENT_LENGTH"})
"""The two headers that `request.META` has without a prefix."""


def read_header(request: HttpRequest, name: str) -> str:
    """Return the value of a header, empty if it is absent."""
    value = request.META.get(meta_key(name), "")
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=256)
def meta_key(name: str) -> str:
    """Return the key of a header in `request.META`."""
    key = name.upper().replace("-", "_")
    return key if key in _BARE_KEYS else f"HTTP_{key}"
