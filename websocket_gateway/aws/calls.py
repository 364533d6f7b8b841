"""How every control plane call is made: read to the last page, patient with throttling, careful with repeats.

Refusals for exceeding the account's rate (10 calls a second) are waited out, since nothing has
happened then. After a lost answer only calls that may be repeated are: no token makes a create
call idempotent, so its caller looks what happened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websocket_gateway.aws.errors import translated
from websocket_gateway.exceptions import (
    AWSError,
    EndpointUnreachableError,
    NotFoundError,
    ServiceError,
    ThrottledError,
)
from websocket_gateway.forking import jitter

_PAGE = "100"
_THROTTLED_ATTEMPTS = 6
_LOST_ATTEMPTS = 3
_BASE_SECONDS = 1.0


def no_progress(text: str) -> None:
    """Take a line about a wait and drop it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """The calls of one client in one region."""

    region: str
    client: Any = field(repr=False)
    """Makes one attempt a call; what is repeated is decided here."""
    throttled_attempts: int = _THROTTLED_ATTEMPTS
    on_wait: Callable[[str], None] = no_progress
    sleep: Callable[[float], None] = time.sleep

    def pages(self, operation: str, **arguments: Any) -> Iterator[Any]:
        """The items of every page of a list call."""
        token: dict[str, str] = {}
        seen: set[str] = set()
        while True:
            answer = self.call(operation, MaxResults=_PAGE, **arguments, **token)
            yield from _objects(answer.get("Items") or [], operation)
            following = answer.get("NextToken")
            if not following:
                return
            if following in seen:
                raise _foreign(operation)
            seen.add(following)
            token = {"NextToken": following}

    def call(self, operation: str, **arguments: Any) -> Any:
        """One call that may be repeated when its answer was lost."""
        return self._patiently(operation, arguments, repeatable=True)

    def create(self, operation: str, **arguments: Any) -> Any:
        """One call that must not be repeated when its answer was lost."""
        return self._patiently(operation, arguments, repeatable=False)

    def delete(self, operation: str, **arguments: Any) -> None:
        """One call that deletes; what is gone already is gone."""
        with suppress(NotFoundError):
            self.call(operation, **arguments)

    def _patiently(self, operation: str, arguments: dict[str, Any], *, repeatable: bool) -> Any:
        name = _name(operation)
        attempt = 0
        while True:
            attempt += 1
            try:
                with translated(name):
                    answer = getattr(self.client, operation)(**arguments)
                if not isinstance(answer, dict):
                    raise _foreign(operation)
                return answer
            except (ThrottledError, EndpointUnreachableError, ServiceError) as exc:
                if attempt >= self._attempts_after(exc, repeatable=repeatable):
                    raise
                self._pause(name, exc, attempt)

    def _attempts_after(self, exc: AWSError, *, repeatable: bool) -> int:
        if isinstance(exc, ThrottledError):
            return self.throttled_attempts
        return _LOST_ATTEMPTS if repeatable else 1

    def _pause(self, name: str, exc: AWSError, attempt: int) -> None:
        longest = _BASE_SECONDS * 2 ** (attempt - 1)
        seconds = jitter.uniform(longest / 2, longest)
        why = "AWS limits the rate of" if isinstance(exc, ThrottledError) else "No answer to"
        self.on_wait(f"{why} {name}; trying again in {seconds:.1f} s")
        self.sleep(seconds)


def _objects(items: Any, operation: str) -> list[Any]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _foreign(operation)
    return items


def _foreign(operation: str) -> ServiceError:
    return ServiceError(f"{_name(operation)}: the answer is none of API Gateway's. Is ENDPOINT_URL right?")


def _name(operation: str) -> str:
    return "".join(word.capitalize() for word in operation.split("_"))
