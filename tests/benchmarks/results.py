"""Rows of a benchmark: printed, and kept for the page of figures where `BENCHMARK_RESULTS` names a file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path


def say(line: str) -> None:
    """Print one line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def record(what: str, figure: str, ratio: str = "") -> None:
    """Print one row, and keep it."""
    say(f"  {what:<62}{figure:>26}   {ratio}")
    keep(what, figure, ratio)


def keep(what: str, figure: str, ratio: str = "") -> None:
    """Append a row to the file of the environment."""
    name = os.environ.get("BENCHMARK_RESULTS")
    if name:
        with Path(name).open("a") as file:
            file.write(json.dumps([what, figure, ratio]) + "\n")
