"""Packages of npm that recipes use; tests skip where there is no npm or no registry."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.building import ROOT

_OPTIONS = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock", "--loglevel=error"]
PINNED = {
    "react": "19.3.1",
    "react-dom": "19.3.1",
    "@types/react": "19",
    "@types/react-dom": "19",
    "esbuild": "0.25.12",
    "typescript": "5.9.3",
    "vite": "7",
    "htmx.org": "2.0.11",
}
"""The version of each package that a page names without one."""


def install(folder: Path, *names: str) -> None:
    """Install packages by the names that the page has, ours from this checkout."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    packed = folder / "packed"
    packed.mkdir(parents=True)
    specs = [f"{name}@{PINNED[name]}" for name in names if name in PINNED]
    if "django-websocket-gateway" in names:
        script = ROOT / "websocket_gateway/client/pack.sh"
        subprocess.run(["bash", script, packed], check=True, capture_output=True)
        specs += map(str, packed.iterdir())
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    ended = subprocess.run([npm, "install", *_OPTIONS, *specs], cwd=folder, capture_output=True, text=True)
    if ended.returncode:
        pytest.skip(f"npm install failed: {ended.stderr[-500:]}")


def run(folder: Path, *words: str) -> None:
    """A program of a package that is installed there."""
    ended = subprocess.run(
        [folder / "node_modules" / ".bin" / words[0], *words[1:]], cwd=folder, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
