"""Many posts at once: the one seam between "who gets it" and "how it goes out".

An `Engine` is handed pages of recipients and gives back outcomes, in any order, each recipient
exactly once. `aws.threads.Boto3Engine` is the one there is; another may take its place without
any change elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from websocket_gateway.aws.endpoints import ManagementEndpoint
from websocket_gateway.exceptions import (
    AccessDeniedError,
    AWSError,
    ConfigurationError,
    EndpointUnreachableError,
)

logger = logging.getLogger(__name__)

_BURST_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Recipient:
    """One connection to post to; `connected_on` is carried through for the caller."""

    endpoint: ManagementEndpoint
    connection_id: str
    connected_on: datetime


class Status(Enum):
    """How it went."""

    DELIVERED = "delivered"
    GONE = "gone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient; `retries` counts the attempts after the first."""

    recipient: Recipient
    status: Status
    reason: str = ""
    retries: int = 0


class Engine(Protocol):
    """Posts to many. Used by one thread; outcomes come when they come, in no order."""

    name: str

    def send(self, page: Iterable[Recipient], data: bytes) -> Iterator[Outcome]:
        """Take a page on and give what is settled by now, of this page or an earlier one.

        Ends as soon as there is room for the next page: a recipient that needs further attempts
        does not hold up the others.
        """
        ...

    def drain(self) -> Iterator[Outcome]:
        """Give every outcome that is still to come."""
        ...

    def stop(self) -> Iterator[Outcome]:
        """Begin nothing more, and give the outcomes of what had been begun."""
        ...


class Pace:
    """At most so many a second, evenly; 0 is no limit."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._next = 0.0

    def take(self, now: float) -> float:
        """0.0 if one may go now, which is then counted; else the seconds to wait."""
        self._next = max(self._next, now - _BURST_SECONDS)
        if self._next > now:
            return self._next - now
        self._next += self._interval
        return 0.0


def reason_of(error: BaseException, endpoint: ManagementEndpoint) -> str:
    """Why a post failed, in words that are the same for every recipient, so that they can be counted."""
    if isinstance(error, EndpointUnreachableError):
        return f"no answer from {endpoint.url}"
    if isinstance(error, AWSError):
        answer = error.code or str(error.status)
        advice = "; check the IAM policy, the stage and the region" * isinstance(error, AccessDeniedError)
        return f"{answer} from {endpoint.url}{advice}"
    if isinstance(error, ConfigurationError):
        return str(error)
    logger.error("Posting to %s failed unexpectedly.", endpoint.url, exc_info=error)
    return f"unexpected {type(error).__name__} at {endpoint.url}"
