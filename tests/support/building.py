"""Builds what would be published, from a copy of the tree, so that building leaves nothing in it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copy_tree(target: Path) -> Path:
    """Copy the tree as a checkout has it: without builds, caches and databases."""
    made = ("__pycache__", "*.egg-info", "build", "dist", "*.sqlite3*", "local_gateway.json", "node_modules")
    hidden = (".git", ".venv", ".tox", ".*_cache", ".hypothesis", ".coverage*")
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*made, *hidden))
    return target


def build(kind: str, target: Path) -> Path:
    """Build the `wheel` or the `sdist` into `target`, and answer its path."""
    return build_from(copy_tree(target / "tree"), kind, target)


def build_from(source: Path, kind: str, target: Path) -> Path:
    """Build from `source` as `build` does; raises `CalledProcessError` if that fails."""
    built = target / kind
    subprocess.run(
        [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "--outdir", str(built), str(source)],
        check=True,
        capture_output=True,
    )
    (path,) = built.iterdir()
    return path


def unpack(sdist: Path, target: Path) -> Path:
    """Unpack a source distribution into `target`, and answer the folder that it makes."""
    target.mkdir()
    subprocess.run(["tar", "xzf", str(sdist), "-C", str(target)], check=True)
    (folder,) = target.iterdir()
    return folder
