"""Tests that need a process of their own: other settings, other models, or a library that patches Django."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_INHERITED = ("PYTEST_", "WEBSOCKET_GATEWAY_TEST_NAME")
"""What belongs to this run of pytest and its database."""


def run_trials(module: str, *options: str, **environment: str) -> int:
    """Run the tests of a module that pytest does not collect by itself; the number of those that passed.

    Raises `AssertionError` with their output if one fails, is skipped, or is not found.
    """
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(_NOT_INHERITED)}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", module, *options],
        env={**inherited, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    passed = re.search(r"^(\d+) passed in ", ended.stdout, re.MULTILINE)
    assert passed, ended.stdout
    return int(passed[1])
