"""What is installed: the package with its data, and nothing else; importing it needs nothing."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.building import build

ROOT = Path(__file__).resolve().parent.parent
DATA = ("static", "templates")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("build"))


def test_the_wheel_holds_the_package_and_its_data_only(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    package = ROOT / "websocket_gateway"
    expected = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file()
        and (path.suffix == ".py" or path.name == "py.typed" or path.relative_to(package).parts[0] in DATA)
        and "__pycache__" not in path.parts
    }

    assert set(names) == expected
    assert "websocket_gateway/py.typed" in names
    assert "websocket_gateway/migrations/0001_initial.py" in names


@pytest.mark.parametrize(
    "module",
    [
        "websocket_gateway",
        "websocket_gateway.apps",
        "websocket_gateway.conf",
        "websocket_gateway.exceptions",
        "websocket_gateway.wire",
        "websocket_gateway.aws.apis",
        "websocket_gateway.aws.connections",
        "websocket_gateway.planning.gateways",
        "websocket_gateway.testing",
        "websocket_gateway.testing.connections",
        "websocket_gateway.testing.fixtures",
        "websocket_gateway.testing.gateway",
    ],
)
def test_importing_needs_no_settings_credentials_or_region(wheel: Path, module: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(wheel)!r}); import {module} as m; print(m.__file__)"

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
        cwd=wheel.parent,
    )

    assert ended.stderr == ""
    assert str(wheel) in ended.stdout


def test_the_package_itself_imports_neither_django_nor_boto3() -> None:
    code = "import sys, websocket_gateway; print(sorted({'django', 'boto3', 'botocore'} & set(sys.modules)))"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert ended.stdout.strip() == "[]"


def test_planning_knows_neither_django_nor_boto3() -> None:
    code = (
        "import sys, websocket_gateway.planning.gateways;"
        "print(sorted({'django', 'boto3', 'botocore'} & set(sys.modules)))"
    )

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)

    assert ended.stdout.strip() == "[]"
