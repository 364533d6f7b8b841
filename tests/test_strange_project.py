"""Projects in which nothing is as usual. Each is a process of its own: its models and databases differ."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
with_tenants = pytest.mark.skipif(
    os.environ.get("WEBSOCKET_GATEWAY_TEST_TENANTS") != "1",
    reason="needs PostgreSQL and django-tenants; selected by WEBSOCKET_GATEWAY_TEST_TENANTS=1",
)


@pytest.mark.parametrize(
    ("settings", "trials"),
    [
        pytest.param("settings", "trials", id="on SQLite"),
        pytest.param("settings_tenants", "tenant_trials", id="with tenants", marks=with_tenants),
    ],
)
def test_its_tests_pass(tmp_path: Path, settings: str, trials: str) -> None:
    surroundings = {name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")}
    words = (
        *(
            sys.executable,
            "-m",
            "pytest",
            f"tests/strange_project/{trials}.py",
            "-q",
            "-p",
            "no:cacheprovider",
        ),
        f"--ds=tests.strange_project.{settings}",
    )

    ended = subprocess.run(
        words,
        env={**surroundings, "STRANGE_PROJECT_FOLDER": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"^\d\d passed in ", ended.stdout, re.MULTILINE), ended.stdout
