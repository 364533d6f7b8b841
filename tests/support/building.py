"""Builds what would be published, from a copy of the tree, so that building leaves nothing in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build(kind: str, target: Path) -> Path:
    """Build the `wheel` or the `sdist` into `target`, and answer its path."""
    source = target / "tree"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "*.sqlite3")
    shutil.copytree(ROOT, source, ignore=ignored)
    built = target / kind
    subprocess.run(
        [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(built), str(source)],
        check=True,
        capture_output=True,
    )
    (path,) = built.iterdir()
    return path
