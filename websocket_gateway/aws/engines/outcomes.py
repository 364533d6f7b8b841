"""How a post ended, in the few kinds that sending distinguishes; how outcomes reach the caller."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.engines.base import Outcome
from websocket_gateway.aws.errors import error_class
from websocket_gateway.exceptions import (
    AccessDeniedError,
    AWSError,
    ConfigurationError,
    ConnectionGoneError,
    EndpointUnreachableError,
    ThrottledError,
)
from websocket_gateway.log_records import get_logger

logger = get_logger(__name__)

_ADVICE = "; check the IAM policy, the stage and the region"
_TIMED_OUT_STATUS = 408
_BATCH = 200


class Kind(Enum):
    """The kinds of results of a post."""

    DELIVERED = "delivered"
    GONE = "gone"
    """410: closed, or not open yet."""
    THROTTLED = "throttled"
    """429: the account's rate, or that one client's full buffer."""
    FAILING = "failing"
    """5xx: the service's own failure."""
    UNANSWERED = "unanswered"
    """Nothing came back; the message may have arrived nevertheless."""
    DENIED = "denied"
    """403: probably the same for every recipient of the gateway."""
    REFUSED = "refused"
    """Anything else: the next post would end in the same way."""


class Answer(NamedTuple):
    """A kind, and the reason in words that are the same for every recipient, so that they can be counted."""

    kind: Kind
    reason: str = ""


DELIVERED = Answer(Kind.DELIVERED)


def answer_of_status(status: int, code: str, endpoint: ManagementEndpoint) -> Answer:
    """Judge an HTTP response by its error code, else by its status."""
    if 200 <= status < 300:
        return DELIVERED
    reason = f"{code or status} from {endpoint.url}"
    if status == _TIMED_OUT_STATUS or status < 200:
        return Answer(Kind.UNANSWERED, reason)
    return _judged(error_class(code, status), status, reason)


def unanswered(endpoint: ManagementEndpoint) -> Answer:
    """The answer where nothing came back, from either engine."""
    return Answer(Kind.UNANSWERED, f"no answer from {endpoint.url}")


def answer_of_error(error: BaseException | None, endpoint: ManagementEndpoint) -> Answer:
    """Classify an exception of `Connections.post`; None means success."""
    if error is None:
        return DELIVERED
    if isinstance(error, EndpointUnreachableError):
        return unanswered(endpoint)
    if isinstance(error, AWSError):
        answered = error.code or error.status
        return _judged(
            type(error), error.status, f"{answered} from {endpoint.url}" if answered else str(error)
        )
    if isinstance(error, ConfigurationError):
        return Answer(Kind.REFUSED, str(error))
    logger.error(
        "Posting to %s failed unexpectedly.", endpoint.url, exc_info=error, extra={"event": "post_failed"}
    )
    return Answer(Kind.REFUSED, f"unexpected {type(error).__name__} at {endpoint.url}")


def reason_of(error: BaseException, endpoint: ManagementEndpoint) -> str:
    """Why a call failed, in words that can be counted."""
    return answer_of_error(error, endpoint).reason


def _judged(error: type[AWSError], status: int, reason: str) -> Answer:
    if issubclass(error, ConnectionGoneError):
        return Answer(Kind.GONE)
    if issubclass(error, ThrottledError):
        return Answer(Kind.THROTTLED, reason)
    if issubclass(error, AccessDeniedError):
        return Answer(Kind.DENIED, reason + _ADVICE)
    return Answer(Kind.FAILING if status >= 500 else Kind.REFUSED, reason)


class OutcomeBuffer:
    """Counts the recipients whose outcome is to come, and delivers outcomes in batches. Used by one thread.

    `on_empty` is called whenever no outcome is to come.
    """

    def __init__(self, *, deliver: Callable[[list[Outcome]], None], on_empty: Callable[[], None]) -> None:
        self._deliver = deliver
        self._on_empty = on_empty
        self._expected = 0
        self._batch: list[Outcome] = []

    def expect(self, number: int) -> None:
        """Count recipients that were taken, or, below zero, forgotten."""
        self._expected += number
        if not self._expected:
            self._end()

    def add(self, outcome: Outcome) -> None:
        """Take one outcome."""
        self._expected -= 1
        self._batch.append(outcome)
        if len(self._batch) >= _BATCH:
            self.flush()
        if not self._expected:
            self._end()

    def extend(self, outcomes: list[Outcome]) -> None:
        """Take several outcomes."""
        for outcome in outcomes:
            self.add(outcome)

    def flush(self) -> None:
        """Deliver what there is."""
        if self._batch:
            batch, self._batch = self._batch, []
            self._deliver(batch)

    def _end(self) -> None:
        self.flush()
        self._on_empty()
