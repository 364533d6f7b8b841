"""Projects in which nothing is as usual. Each is a process of its own: its models and databases differ."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.trials import run_trials

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
    number = run_trials(
        f"tests/strange_project/{trials}.py",
        f"--ds=tests.strange_project.{settings}",
        STRANGE_PROJECT_FOLDER=str(tmp_path),
    )

    assert number >= 20
