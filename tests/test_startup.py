"""What the commands that every deployment runs load: nothing that only sending or the local gateway needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.sample import MANAGE, environment

NOT_LOADED = ("tqdm", "uvicorn", "websocket_gateway.local", "websockets")
PROBE = """
import atexit, json, runpy, sys
path, *sys.argv = sys.argv[1:]
atexit.register(lambda: open(path, "w").write(json.dumps(sorted(sys.modules))))
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs the script named second, and writes the modules that it has loaded to the file named first."""


def modules_loaded_by(*arguments: str, folder: Path) -> set[str]:
    """The modules that `manage.py ARGUMENTS` of the sample project has loaded when it ends."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder / "modules.json"), str(MANAGE), *arguments],
        env=environment(folder / "sample.sqlite3"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    modules = set(json.loads((folder / "modules.json").read_text()))
    assert "django.core.management" in modules
    return modules


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["check"], id="check"),
        pytest.param(["migrate", "--verbosity=0"], id="migrate"),
        pytest.param(["broadcast", "--help"], id="help of broadcast"),
    ],
)
def test_a_command_starts_without_the_progress_bar_and_the_local_gateway(
    arguments: list[str], tmp_path: Path
) -> None:
    modules = modules_loaded_by(*arguments, folder=tmp_path)

    assert "websocket_gateway.models" in modules
    assert [name for name in NOT_LOADED if name in modules] == []


def test_the_local_gateway_shows_its_options_without_its_server(tmp_path: Path) -> None:
    modules = modules_loaded_by("run_local_gateway", "--help", folder=tmp_path)

    assert "websocket_gateway.local.command_line" in modules
    assert modules & {"uvicorn", "websockets"} == set()
