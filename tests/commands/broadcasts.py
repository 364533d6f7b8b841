"""`broadcast`, called in this process and in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from tests.support.commands import Ended
from tests.support.commands import run as run_command

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("broadcast", *words, stdout=out, no_color=True)
    return out.getvalue()


def error(*words: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*words)
    assert "\n" not in str(caught.value)
    return caught.value


def environment(base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """A process of its own must meet the database of this test, whatever that is called."""
    return {**base, "WEBSOCKET_GATEWAY_TEST_NAME": str(connection.settings_dict["NAME"])}


def process(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "django", "broadcast", *words, "--settings", "tests.settings"]
    options.setdefault("input", "")
    return subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, **options
    )


def pipe(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def ended(*words: str) -> Ended:
    return run_command("broadcast", *words)
