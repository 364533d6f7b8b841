"""Trials that exist in two sizes: small in every run, and heavy with `WEBSOCKET_GATEWAY_TEST_HEAVY=1`."""

from __future__ import annotations

import os
import sys

HEAVY = os.environ.get("WEBSOCKET_GATEWAY_TEST_HEAVY") == "1"


def sized(small: int, heavy: int) -> int:
    """The size of a trial in this run."""
    return heavy if HEAVY else small


def say(figures: str) -> None:
    """Print figures of a heavy trial, past pytest's capture."""
    if HEAVY:
        sys.__stderr__.write(f"\n{figures}\n")  # type: ignore[union-attr]
