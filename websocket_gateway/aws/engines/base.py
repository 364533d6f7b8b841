"""Many posts at once: the one seam between "who gets it" and "how it goes out".

An `Engine` is handed pages of recipients and gives back outcomes, in any order, each recipient
exactly once. `aws.engines.open_engine` chooses between the two that there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol

from websocket_gateway.aws.endpoints import ManagementEndpoint

_BURST_SECONDS = 0.05


class Recipient(NamedTuple):
    """One connection to post to; `connected_on` is carried through for the caller."""

    endpoint: ManagementEndpoint
    connection_id: str
    connected_on: datetime


class Status(Enum):
    """How it went."""

    DELIVERED = "delivered"
    GONE = "gone"
    FAILED = "failed"


class Outcome(NamedTuple):
    """What became of one recipient; `retries` counts the attempts after the first."""

    recipient: Recipient
    status: Status
    reason: str = ""
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at a time, how fast, how long; 0 posts a second is no limit."""

    concurrency: int
    max_per_second: float
    timeout_seconds: float
    deadline_seconds: float


class Engine(Protocol):
    """Posts to many. Used by one thread; outcomes come when they come, in no order."""

    name: str

    def send(self, page: Iterable[Recipient], data: bytes) -> Iterator[Outcome]:
        """Take a page on and give what is settled by now, of this page or an earlier one.

        Ends as soon as there is room for the next page: a recipient that needs further attempts
        does not hold up the others.
        """
        ...

    def set_pace(self, max_per_second: float) -> None:
        """Change the pace from now on; 0 is no limit."""
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
        self._interval = 0.0
        self._next = 0.0
        self.change(per_second)

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return self._interval > 0

    def change(self, per_second: float) -> None:
        """Go on at another pace."""
        self._interval = 1 / per_second if per_second else 0.0

    def take(self, now: float) -> float:
        """0.0 if one may go now, which is then counted; else the seconds to wait."""
        self._next = max(self._next, now - _BURST_SECONDS)
        if self._next > now:
            return self._next - now
        self._next += self._interval
        return 0.0
