"""What the deeds of a purge share: the parts to choose from, the run under way, the report at its end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class Part(str, Enum):
    """What `--only` chooses from."""

    SESSIONS = "sessions"
    USERS = "users"
    TOKENS = "tokens"
    LIMITS = "limits"
    MESSAGES = "messages"
    BROADCASTS = "broadcasts"


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeReport:
    """What a purge did, or what it would do."""

    counts: Mapping[str, int]
    """By the name of the deed, in the order in which they are done; deeds not asked for are absent."""
    complete: bool = True
    """False if `max_seconds` ended it; the next run goes on."""
    problems: tuple[str, ...] = ()
    """What could not be found out, and why."""
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return any(self.counts.values())


class Deed(Protocol):
    """One thing that a purge does."""

    @property
    def part(self) -> Part:
        """The part that it belongs to."""
        ...

    @property
    def name(self) -> str:
        """What its count is called in the report."""
        ...

    def count(self) -> int:
        """How many rows it would concern now; changes nothing."""
        ...

    def do(self, run: Run) -> None:
        """Do it, batch by batch, until it is done or the run's time is over."""
        ...


@dataclass(slots=True, kw_only=True)
class Run:
    """One purge under way. Each deed gets an even share of the time that is left when it begins."""

    max_seconds: float | None = None
    clock: Callable[[], float] = time.monotonic
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    cut_short: bool = False
    _begun: float = 0.0
    _until: float = 0.0

    def __post_init__(self) -> None:
        self._begun = self.clock()

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return self.clock() - self._begun

    def begin(self, deed: Deed, *, deeds_left: int) -> None:
        """Give the time left to `deed` and those behind it, evenly."""
        self.counts[deed.name] += 0
        if self.max_seconds is not None:
            left = max(0.0, self.max_seconds - self.seconds)
            self._until = self.clock() + left / deeds_left

    def is_over(self) -> bool:
        """Whether the deed under way must stop here."""
        if self.max_seconds is None or self.clock() < self._until:
            return False
        self.cut_short = True
        return True
