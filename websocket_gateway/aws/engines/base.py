"""The interface of engines, between selecting the recipients and posting to them.

An `Engine` takes pages of recipients and gives back outcomes, in any order, each recipient
exactly once. `aws.engines.open_engine` chooses between the two that there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol

from websocket_gateway.aws.endpoints import ManagementEndpoint


class Recipient(NamedTuple):
    """One connection to post to; `connected_on` is carried through for the caller."""

    endpoint: ManagementEndpoint
    connection_id: str
    connected_on: datetime


class Status(Enum):
    """How the posts to one recipient ended."""

    DELIVERED = "delivered"
    GONE = "gone"
    FAILED = "failed"


class Outcome(NamedTuple):
    """The status of one recipient; `retries` counts the posts after the first."""

    recipient: Recipient
    status: Status
    reason: str = ""
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many posts at a time, how many per second (0 means no limit), and for how long."""

    concurrency: int
    max_per_second: float
    timeout_seconds: float
    deadline_seconds: float
    urgent: bool = False
    """A user waits: every outcome is known at the recipient's deadline, even if a post is still under way,
    and an endpoint that does not answer is not called again for some seconds."""


class Engine(Protocol):
    """Posts to many recipients. Used by one thread; outcomes come in any order."""

    name: str

    def send(self, page: Iterable[Recipient], data: bytes) -> Iterator[Outcome]:
        """Take a page, and give the outcomes that are known by now, of this page or an earlier one.

        Ends as soon as the next page can be taken: a recipient that needs further attempts
        does not hold up the others.
        """
        ...

    def set_pace(self, max_per_second: float) -> None:
        """Change the number of posts per second from now on; 0 means no limit."""
        ...

    def drain(self) -> Iterator[Outcome]:
        """Give every outcome that is still to come."""
        ...

    def stop(self) -> Iterator[Outcome]:
        """Begin nothing more, and give the outcomes of the posts that were begun."""
        ...
