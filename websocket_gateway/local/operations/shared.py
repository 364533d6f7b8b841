"""Rules that several kinds of resources share: pages, quotas, PATCH of maps, tags."""

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
    """One page of a list call. The token names the position, as an opaque string."""
    items = list(resources)
    size = _page_size(located.get("MaxResults"), store.page_size)
    start = _position(located.get("NextToken"))
    answer: Wire = {"items": items[start : start + size]}
    if start + size < len(items):
        answer["nextToken"] = base64.urlsafe_b64encode(f"p{start + size}".encode()).decode()
    return answer


def _page_size(asked: str | None, default: int) -> int:
    if asked is None:
        return default
    if not asked.isascii() or not asked.isdecimal() or not 1 <= int(asked) <= MAX_PAGE:
        raise BadRequestError(f"Invalid maxResults: must be between 1 and {MAX_PAGE}")
    return int(asked)


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
    """Refuse one more when the quota is used up."""
    if present >= limit:
        raise QuotaError(
            f"Maximum number of {kind} for this API has been reached. "
            f"Please contact AWS if you need additional {kind}.",
            limitType=kind,
        )


def refuse_fields(body: Wire, names: Iterable[str], kind: str) -> None:
    """Refuse fields that the model has but a WebSocket API must not use."""
    for name in names:
        if name in body:
            raise BadRequestError(f"{name} is not supported for {kind} of protocol type WEBSOCKET")


def without_empty(values: Wire, name: str) -> Wire:
    """Refuse empty values on create, where there is nothing to remove."""
    for key, value in values.items():
        if value == "":
            raise BadRequestError(f"Invalid value for {name}.{key}: must not be empty")
    return values


def merged(present: Wire, changes: Wire) -> Wire:
    """A PATCH of a map: given keys change, an empty string removes, the rest stays."""
    return {key: value for key, value in {**present, **changes}.items() if value != ""}


def check_tags(tags: Wire) -> Wire:
    """Refuse tags that AWS refuses."""
    if len(tags) > MAX_TAGS:
        raise BadRequestError(f"A resource can have at most {MAX_TAGS} tags")
    for key in tags:
        if key.lower().startswith("aws:") or not _TAG_KEY.fullmatch(key):
            raise BadRequestError(f"Invalid tag key {key!r}")
    return tags
