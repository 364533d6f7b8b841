"""State that belongs to one process: after a fork, the child makes its own.

A child inherits its parent's sockets and locks. The responses on a shared socket reach the process that reads
first, and a lock that another thread held at the moment of the fork is never released in the child.

Locks, sockets and what holds one are reached through `PerProcess` or `cached_per_process`. Caches that hold
nothing but values, without a lock, may be inherited: a plain `lru_cache`, a set of names.

Locks that cannot be renewed in the child are the subject of `no_fork`.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from functools import lru_cache, update_wrapper
from typing import Any, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

# Without state: workers forked from one state would draw the same pauses, and meet again at every retry.
jitter = random.SystemRandom()

_states: list[PerProcess[Any]] = []
# Inherited values are kept: what finalizes them might wait for a lock that a thread of the parent held.
_inherited: list[object] = []


class PerProcess(Generic[T]):
    """A value that each process makes for itself. For the module level: it is never given up.

    `leave` gets the parent's value in a child. It may close descriptors. It must not wait for a lock, nor
    send anything: what is under way belongs to the parent.

    Every access compares the number of the process, because uWSGI forks in C: it calls the hooks of
    `os.register_at_fork` only where its options ask for it.
    """

    def __init__(self, make: Callable[[], T], *, leave: Callable[[T], object] | None = None) -> None:
        self._make = make
        self._leave = leave
        self.made: dict[int, T] = {}
        """By the number of the process, for callers that are too frequent for the call of a function."""
        _states.append(self)

    def __call__(self) -> T:
        """The value of this process."""
        pid = os.getpid()
        try:
            return self.made[pid]
        except KeyError:
            self.leave_inherited()
            # Two threads that come at once both get the value of the first, without a lock.
            return self.made.setdefault(pid, self._make())

    def leave_inherited(self) -> None:
        """Put aside what was made by the process that this one was forked from."""
        for pid in self.made.keys() - {os.getpid()}:
            value = self.made.pop(pid, None)
            if value is not None:
                _inherited.append(value)
                if self._leave is not None:
                    self._leave(value)


class CachedPerProcess(Generic[P, R]):
    """A function with an `lru_cache` in each process; see `cached_per_process`."""

    def __init__(self, function: Callable[P, R], maxsize: int) -> None:
        self._cache = PerProcess(lambda: lru_cache(maxsize)(function))
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The cached value, else what the function returns."""
        return cast("Callable[P, R]", self._cache())(*args, **kwargs)

    def cache_clear(self) -> None:
        """Empty the cache of this process."""
        self._cache().cache_clear()


def cached_per_process(maxsize: int) -> Callable[[Callable[P, R]], CachedPerProcess[P, R]]:
    """As `lru_cache(maxsize)`, but a forked child begins with an empty cache."""

    def decorate(function: Callable[P, R]) -> CachedPerProcess[P, R]:
        return CachedPerProcess(function, maxsize)

    return decorate


def _leave_inherited() -> None:
    for state in _states:
        state.leave_inherited()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_leave_inherited)
