"""How every control plane call is made: read to the last page, repeated after throttling or a lost response.

A call that exceeds the account's rate (10 calls a second) had no effect, so it is repeated after a pause.
After a lost response only calls that may be repeated are: no token makes a create call idempotent, so its
caller looks at what happened.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from websocket_gateway import exceptions as errors
from websocket_gateway.aws.errors import not_api_gateway, translated
from websocket_gateway.aws.pacing import Pace
from websocket_gateway.conf import is_loopback
from websocket_gateway.forking import jitter
from websocket_gateway.no_fork import ThreadPool

if TYPE_CHECKING:
    from botocore.client import BaseClient

T = TypeVar("T")

_PAGE = "100"
_THROTTLED_ATTEMPTS = 6
_LOST_ATTEMPTS = 3
_SIDE_BY_SIDE = 8
# The quota is 10 calls a second with a burst of 40, for everything in the account.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
_BURST = 20
_PER_SECOND = 8.0
_BASE_SECONDS = 1.0


def no_progress(text: str) -> None:
    """Take the report of a wait and drop it."""


class CallOptions(TypedDict, total=False):
    """How calls are repeated: fields of `Calls`."""

    throttled_attempts: int
    on_wait: Callable[[str], None]
    sleep: Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls of one client in one region."""

    region: str
    client: BaseClient = field(repr=False)
    """Makes one attempt per call; this class decides which calls are repeated."""
    throttled_attempts: int = _THROTTLED_ATTEMPTS
    on_wait: Callable[[str], None] = no_progress
    sleep: Callable[[float], None] = time.sleep

    def pages(self, operation: str, **arguments: object) -> Iterator[Any]:
        """The items of every page of a list call."""
        token: dict[str, str] = {}
        seen: set[str] = set()
        while True:
            response = self.call(operation, MaxResults=_PAGE, **arguments, **token)
            yield from _objects(response.get("Items") or [], operation)
            following = response.get("NextToken")
            if not following:
                return
            if following in seen:
                raise not_api_gateway(_name(operation))
            seen.add(following)
            token = {"NextToken": following}

    def side_by_side(self, names: Iterable[str], read: Callable[[str], T]) -> dict[str, T]:
        """What `read` returns for each name, read in parallel and under the account's rate."""
        wanted = list(names)
        if not wanted:
            return {}
        per_second = 0.0 if is_loopback(self.client.meta.endpoint_url) else _PER_SECOND
        pace = Pace(per_second, burst=_BURST, sleep=self.sleep)

        def read_paced(name: str) -> T:
            pace.wait()
            return read(name)

        with ThreadPool(_SIDE_BY_SIDE, "websocket-gateway-read") as pool:
            return dict(zip(wanted, pool.map(read_paced, wanted), strict=True))

    def call(self, operation: str, **arguments: object) -> Any:
        """Call `operation`, which may be repeated when its response was lost."""
        return self._repeat(operation, arguments, repeatable=True)

    def create(self, operation: str, **arguments: object) -> Any:
        """Call `operation`, which must not be repeated when its response was lost."""
        return self._repeat(operation, arguments, repeatable=False)

    def delete(self, operation: str, **arguments: object) -> None:
        """Call `operation`, which deletes; a resource that is gone already is not an error."""
        with suppress(errors.NotFoundError):
            self.call(operation, **arguments)

    def _repeat(self, operation: str, arguments: dict[str, object], *, repeatable: bool) -> Any:
        name = _name(operation)
        attempt = 0
        while True:
            attempt += 1
            try:
                with translated(name):
                    response = getattr(self.client, operation)(**arguments)
                if not isinstance(response, dict):
                    raise not_api_gateway(_name(operation))
                return response
            except (errors.ThrottledError, errors.EndpointUnreachableError, errors.ServiceError) as exc:
                if attempt >= self._attempts_after(exc, repeatable=repeatable):
                    raise
                self._pause(name, exc, attempt)

    def _attempts_after(self, exc: errors.AWSError, *, repeatable: bool) -> int:
        if isinstance(exc, errors.ThrottledError):
            return self.throttled_attempts
        return _LOST_ATTEMPTS if repeatable else 1

    def _pause(self, name: str, exc: errors.AWSError, attempt: int) -> None:
        longest = _BASE_SECONDS * 2 ** (attempt - 1)
        seconds = jitter.uniform(longest / 2, longest)
        why = "AWS limits the rate of" if isinstance(exc, errors.ThrottledError) else "No response to"
        self.on_wait(f"{why} {name}; trying again in {seconds:.1f} s")
        self.sleep(seconds)


def _objects(items: object, operation: str) -> list[dict[str, object]]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise not_api_gateway(_name(operation))
    return items


def _name(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))


class _Response(TypedDict):
    status_code: int
    body: bytes


def refuse_other_than_json(response_dict: _Response, **kwargs: object) -> None:
    """Raise `ValueError` for a success whose body is not a JSON object: a proxy's page, or half a response.

    Called by botocore before it parses. It would report such a response as one without fields, and a list
    without items is an account without APIs: everything would be created once more.
    """
    body = response_dict["body"]
    if response_dict["status_code"] < 300 and body.strip() and not isinstance(json.loads(body), dict):
        raise ValueError("not a JSON object")
