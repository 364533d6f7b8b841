"""The contracts of `pyproject.toml` hold, and each can break: the arrows are drawn by what is imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter", reason="import-linter comes with the extra dev")

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(sys.executable).with_name("lint-imports")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to be spoilt."""
    ignored = shutil.ignore_patterns("__pycache__", "static", "templates")
    shutil.copytree(ROOT / "websocket_gateway", tmp_path / "websocket_gateway", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [PROGRAM, "--no-cache", "--no-logo", *arguments]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_every_contract_is_kept(copied: Path) -> None:
    ended = lint(copied)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert " 0 broken." in ended.stdout


@pytest.mark.parametrize(
    ("contract", "module", "imported"),
    [
        pytest.param("layers", "receiving/tokens.py", "websocket_gateway.views", id="a service, a view"),
        pytest.param("layers", "connections/ending.py", "websocket_gateway.sending", id="an end, sending"),
        pytest.param("layers", "conf.py", "websocket_gateway.models", id="the settings, a model"),
        pytest.param("layers", "aws/apis.py", "websocket_gateway.models", id="boto3's layer, a model"),
        pytest.param("layers", "helpers.py", "typing", id="a module without a place"),
        pytest.param("boto3", "receiving/tokens.py", "boto3", id="a service, boto3"),
        pytest.param("local", "views/tokens.py", "websocket_gateway.local", id="a view, the local gateway"),
        pytest.param("local-alone", "local/control.py", "websocket_gateway.conf", id="the local gateway, us"),
        pytest.param("pure", "resources.py", "django.conf", id="what planning imports, Django"),
        pytest.param("models", "validators.py", "socket", id="what a model imports, a socket"),
        pytest.param("extras", "receiving/tokens.py", "uvloop", id="a service, an extra"),
    ],
)
def test_an_import_that_goes_the_wrong_way_breaks_its_contract(
    copied: Path, contract: str, module: str, imported: str
) -> None:
    spoilt = copied / "websocket_gateway" / module
    with spoilt.open("a") as source:
        source.write(f"\nimport {imported}\n")

    ended = lint(copied, "--contract", contract)

    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Contracts: 0 kept, 1 broken." in ended.stdout
