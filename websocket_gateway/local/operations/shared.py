"""Rules shared by several kinds of resources: pages, quotas, PATCH of maps, tags."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from websocket_gateway.local.errors import BadRequestError, QuotaError
from websocket_gateway.local.model import Wire
from websocket_gateway.local.store import Store

MAX_PAGE = 500
MAX_TAGS = 50
_TAG_KEY = re.compile(r"[\w\s.:/=+@-]{1,128}")


def page(store: Store, located: Wire, resources: Iterable[Wire]) -> Wire:
    """Return one page of a list call. The token is the position, as an opaque string."""
    items = list(resources)
    size = _page_size(located.get("MaxResults"), store.page_size)
    start = _position(located.get("NextToken"))
    found: Wire = {"items": items[start : start + size]}
    if start + size < len(items):
        found["nextToken"] = base64.urlsafe_b64encode(f"p{start + size}".encode()).decode()
    return found


def _page_size(value: str | None, default: int) -> int:
    if value is None:
        return default
    if not value.isascii() or not value.isdecimal() or not 1 <= int(value) <= MAX_PAGE:
        raise BadRequestError(f"Invalid maxResults: must be between 1 and {MAX_PAGE}")
    return int(value)


def _position(token: str | None) -> int:
    if token is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(token).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not re.fullmatch(r"p\d{1,9}", text):
        raise BadRequestError("Invalid nextToken")
    return int(text[1:])


def check_quota(present: int, limit: int, kind: str) -> None:
    """Raise `QuotaError` if one more resource would exceed the quota."""
    if present >= limit:
        raise QuotaError(
            f"Maximum number of {kind} for this API has been reached. "
            f"Please contact AWS if you need additional {kind}.",
            limitType=kind,
        )


def refuse_fields(body: Wire, names: Iterable[str], kind: str) -> None:
    """Raise `BadRequestError` for fields of the model that a WebSocket API must not use."""
    for name in names:
        if name in body:
            raise BadRequestError(f"{name} is not supported for {kind} of protocol type WEBSOCKET")


def without_empty(values: Wire, name: str) -> Wire:
    """Raise `BadRequestError` for empty values, which only an update accepts; else return the values."""
    for key, value in values.items():
        if value == "":
            raise BadRequestError(f"Invalid value for {name}.{key}: must not be empty")
    return values


def merged(present: Wire, changes: Wire) -> Wire:
    """Apply a PATCH to a map: given keys change, an empty string removes a key, other keys stay."""
    return {key: value for key, value in {**present, **changes}.items() if value != ""}


def check_tags(tags: Wire) -> Wire:
    """Raise `BadRequestError` for tags that AWS does not accept; else return the tags."""
    if len(tags) > MAX_TAGS:
        raise BadRequestError(f"A resource can have at most {MAX_TAGS} tags")
    for key in tags:
        if key.lower().startswith("aws:") or not _TAG_KEY.fullmatch(key):
            raise BadRequestError(f"Invalid tag key {key!r}")
    return tags
