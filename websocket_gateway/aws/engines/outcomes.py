"""What an attempt to post came to, in the few kinds that sending tells apart; the same for both engines."""

from __future__ import annotations

import logging
from enum import Enum
from typing import NamedTuple

from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.aws.errors import error_class
from websocket_gateway.exceptions import (
    AccessDeniedError,
    AWSError,
    ConfigurationError,
    ConnectionGoneError,
    EndpointUnreachableError,
    ThrottledError,
)

logger = logging.getLogger(__name__)

_ADVICE = "; check the IAM policy, the stage and the region"
_TIMED_OUT_STATUS = 408


class Kind(Enum):
    """What to do about an attempt."""

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
    """403: as likely as not the same for everyone of the gateway."""
    REFUSED = "refused"
    """Anything else: it would be the same the next time."""


class Answer(NamedTuple):
    """A kind, and the reason in words that are the same for every recipient, so that they can be counted."""

    kind: Kind
    reason: str = ""


DELIVERED = Answer(Kind.DELIVERED)


def answer_of_status(status: int, code: str, endpoint: ManagementEndpoint) -> Answer:
    """Judge an HTTP answer by the code that AWS gave it, else by its status."""
    if 200 <= status < 300:
        return DELIVERED
    reason = f"{code or status} from {endpoint.url}"
    if status == _TIMED_OUT_STATUS or status < 200:
        return Answer(Kind.UNANSWERED, reason)
    return _judged(error_class(code, status), status, reason)


def answer_of_error(error: BaseException | None, endpoint: ManagementEndpoint) -> Answer:
    """Judge what `Connections.post` raised."""
    if error is None:
        return DELIVERED
    if isinstance(error, EndpointUnreachableError):
        return Answer(Kind.UNANSWERED, f"no answer from {endpoint.url}")
    if isinstance(error, AWSError):
        answered = error.code or error.status
        return _judged(
            type(error), error.status, f"{answered} from {endpoint.url}" if answered else str(error)
        )
    if isinstance(error, ConfigurationError):
        return Answer(Kind.REFUSED, str(error))
    logger.error("Posting to %s failed unexpectedly.", endpoint.url, exc_info=error)
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
