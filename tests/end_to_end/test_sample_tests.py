"""The sample project's own tests, run as its user would: they are what the documentation says to copy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.end_to_end.sample import MANAGE, environment


def test_the_tests_of_the_sample_project_pass(tmp_path: Path) -> None:
    words = (sys.executable, "-m", "pytest", str(MANAGE.parent), "-q", "-p", "no:cacheprovider")
    surroundings = environment(tmp_path / "unused.sqlite3")
    for name in [name for name in surroundings if name.startswith("PYTEST_")]:
        del surroundings[name]

    ended = subprocess.run(
        words, env=surroundings, cwd=MANAGE.parents[1], capture_output=True, text=True, timeout=120
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(r"^\d\d passed in ", ended.stdout, re.MULTILINE), ended.stdout
    assert not (tmp_path / "unused.sqlite3").exists()
