"""The two files that a release publishes: what the checkers say of them, and that one makes the other."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.building import ROOT, build, build_from, unpack
from tests.support.installing import SELECTED

pytestmark = SELECTED
PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", tmp_path_factory.mktemp("sdist"))


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAMS / program, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


def test_twine_finds_nothing_in_either(wheel: Path, sdist: Path) -> None:
    ended = run("twine", "check", "--strict", wheel, sdist)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("PASSED") == 2


def test_check_wheel_contents_finds_nothing(wheel: Path) -> None:
    ended = run("check-wheel-contents", wheel)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.strip().endswith(": OK")


def test_the_source_distribution_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    rebuilt = build_from(unpack(sdist, tmp_path / "unpacked"), "wheel", tmp_path)

    assert rebuilt.name == wheel.name
    assert contents(rebuilt) == contents(wheel)


def test_the_source_distribution_is_the_whole_checkout(sdist: Path, tmp_path: Path) -> None:
    folder = unpack(sdist, tmp_path / "unpacked")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    missing = [name for name in tracked.splitlines() if not (folder / name).is_file()]

    assert len(tracked.splitlines()) > 400
    assert missing == [".gitignore"]
