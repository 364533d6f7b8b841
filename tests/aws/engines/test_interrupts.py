"""Ctrl-C at any moment: what was posted is reported, by both engines, and nothing stands still."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.aws.engines.interrupting import ROUNDS
from tests.support.untraced import untraced

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["asyncio", "boto3"])
def test_an_interrupt_at_any_moment_loses_no_outcome(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.aws.engines.interrupting", name],
        cwd=ROOT,
        env=untraced() | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr
    lost = json.loads(ended.stdout)
    # One may be on its way between two statements; a batch of them may not.
    assert (len(lost), min(lost) >= 0, max(lost) <= 1) == (ROUNDS, True, True), lost
