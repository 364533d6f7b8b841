"""The browser's client: its size, and its own tests, which Node's test runner runs."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "websocket_gateway/static/websocket_gateway"


def test_the_client_is_under_fourteen_kilobytes_as_served() -> None:
    assert len(gzip.compress((STATIC / "client.js").read_bytes(), 6)) < 14_000


def test_the_package_that_npm_sees_names_files_that_exist() -> None:
    package = json.loads((STATIC / "package.json").read_text())

    assert all((STATIC / file).exists() for file in package["exports"]["."].values())


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node 20 or newer")
def test_the_client_does_what_its_own_tests_say() -> None:
    files = sorted(str(path) for path in (ROOT / "tests/js").glob("*.test.mjs"))

    ended = subprocess.run(["node", "--test", *files], capture_output=True, text=True, timeout=300)

    assert ended.returncode == 0, ended.stdout + ended.stderr
