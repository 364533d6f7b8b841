"""Shared by all operations of a purge: the parts to choose from, the current run, and the final report."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class Part(str, Enum):
    """The parts that `--only` selects."""

    SESSIONS = "sessions"
    USERS = "users"
    LOGINS = "logins"
    TOKENS = "tokens"
    LIMITS = "limits"
    MESSAGES = "messages"
    BROADCASTS = "broadcasts"
    HISTORY = "history"


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeReport:
    """The result of a purge, or of a dry run."""

    counts: Mapping[str, int]
    """Counts by operation, in the order of execution; operations that were not selected are absent."""
    complete: bool = True
    """False if `max_seconds` ended the purge; the next run continues."""
    problems: tuple[str, ...] = ()
    """Operations that failed, with the reason."""
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return any(self.counts.values())


class Operation(Protocol):
    """One operation of a purge."""

    @property
    def part(self) -> Part:
        """The part that selects it."""
        ...

    @property
    def name(self) -> str:
        """The name of its count in the report."""
        ...

    def count(self) -> int:
        """The number of rows that `do` would process now. Changes nothing."""
        ...

    def do(self, run: Run) -> None:
        """Execute it batch by batch, until it is complete or the run's time is over."""
        ...


@dataclass(slots=True, kw_only=True)
class Run:
    """The current purge. Each operation gets an equal share of the time that is left when it begins."""

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
        """The time since it began."""
        return self.clock() - self._begun

    def begin(self, operation: Operation, *, operations_left: int) -> None:
        """Divide the time left equally between `operation` and those after it."""
        self.counts[operation.name] += 0
        if self.max_seconds is not None:
            left = max(0.0, self.max_seconds - self.seconds)
            self._until = self.clock() + left / operations_left

    def is_over(self) -> bool:
        """Whether the current operation must stop here."""
        if self.max_seconds is None or self.clock() < self._until:
            return False
        self.cut_short = True
        return True
