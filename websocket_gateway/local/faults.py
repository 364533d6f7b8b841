"""Trouble on demand: what a test or a person at the terminal can make the gateway do wrong."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Phase = Literal["received", "effected", "replied"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One control plane call at one moment of its life."""

    operation: str
    parameters: dict[str, Any]
    phase: Phase
    """`received`: nothing has happened; `effected`: done but not answered; `replied`: the answer is out."""


@dataclass(slots=True, kw_only=True)
class Faults:
    """Shares are between 0 (never) and 1 (always); half means every second one, not a coin toss."""

    skip_disconnects: float = 0.0
    """`$disconnect` events that are never sent."""
    throttle_posts: float = 0.0
    """Calls to `@connections` that are answered with 429."""
    fail_posts: float = 0.0
    """Calls to `@connections` that are answered with 500."""
    drop_posts: float = 0.0
    """Posts that are answered with 200 and never delivered."""
    drop_messages: float = 0.0
    """Messages of clients that never reach the backend."""
    delay_posts: float = 0.0
    """Seconds that every call to `@connections` waits."""
    delay_messages: float = 0.0
    """Seconds that every message waits before it is forwarded."""
    delay_connects: float = 0.0
    """Seconds that every `$connect` waits before it is forwarded."""
    delay_disconnects: float = 0.0
    """Seconds that every `$disconnect` waits before it is forwarded."""
    control_errors: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Operation name (or `*`) to the status and error type that it is answered with."""
    on_call: Callable[[Call], None] | None = None
    """Called in the gateway's thread for every control plane call, once per phase."""
    _seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strikes(self, name: str) -> bool:
        """Whether the fault of that name hits this time; hits are spread evenly."""
        share: float = getattr(self, name)
        if share <= 0:
            return False
        with self._lock:
            self._seen[name] += 1
            turn = self._seen[name]
        return int(turn * share + 1e-9) > int((turn - 1) * share + 1e-9)

    def clear(self) -> None:
        """Back to a gateway that behaves."""
        clean = Faults()
        for name in self.__dataclass_fields__:
            if not name.startswith("_"):
                setattr(self, name, getattr(clean, name))
        with self._lock:
            self._seen.clear()
