"""The shop of the page on tenants passes its own tests, and its migrations fit its models."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SHOP = Path(__file__).resolve().parent.parent / "sample_project" / "multi_tenant"


def run(tmp_path: Path, *command: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "COVERAGE"))}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=SHOP,
        env=kept | {"SHOP_DATABASE": str(tmp_path / "shop.sqlite3"), "PYTHONPATH": str(SHOP.parents[1])},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_tenants_hear_nothing_of_each_other(tmp_path: Path) -> None:
    passed = run(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", ".")

    assert "15 passed" in passed


def test_its_migrations_fit_its_models(tmp_path: Path) -> None:
    assert "No changes" in run(tmp_path, "manage.py", "makemigrations", "--check", "--dry-run")
