"""What the tests that install the wheel share. They ask the package index, and so are selected on purpose."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

SELECTED = [
    pytest.mark.install,
    pytest.mark.skipif(
        os.environ.get("WEBSOCKET_GATEWAY_TEST_INSTALL") != "1", reason="WEBSOCKET_GATEWAY_TEST_INSTALL=1"
    ),
]


def environment() -> dict[str, str]:
    unwanted = ("AWS_", "DJANGO_", "VIRTUAL_ENV", "PYTHON", "COVERAGE")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)} | {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONUNBUFFERED": "1",
    }


def shell(script: str, cwd: Path) -> str:
    """Run a script as somebody would type it; answers what it printed, and leaves no process behind."""
    # Into a file: the servers in the background would keep a pipe open for ever.
    printed = cwd / "printed.log"
    with printed.open("w") as log:
        process = subprocess.Popen(
            ["bash", "-e", "-c", script],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(timeout=300)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    output = printed.read_text()
    assert process.returncode == 0, output
    return output
