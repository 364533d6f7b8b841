"""What the commands that every deployment runs load: nothing that only sending or the local gateway needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.startup import SETTINGS, WITH_THE_APP, environment_of
from tests.end_to_end.sample import MANAGE, environment
from tests.support.untraced import untraced

NOT_LOADED = ("tqdm", "uvicorn", "websocket_gateway.local", "websockets")
SLOW = (
    *("boto3", "botocore", "httptools", "s3transfer", "urllib3", "uvloop"),
    *("websocket_gateway.aws.credentials", "websocket_gateway.aws.engines.asyncio_loop"),
)
"""What the first AWS call and the first broadcast import."""
PUBLIC = (
    *("channels", "connections", "diagnostics", "exceptions", "mixins", "models", "provisioning", "purging"),
    *("receiving.tokens", "sending", "signals", "testing", "views"),
)
IMPORT = """
import importlib, json, sys
import django
django.setup()
module = importlib.import_module(sys.argv[1])
for name in getattr(module, "__all__", ()):
    getattr(module, name)
print(json.dumps(sorted(sys.modules)))
"""
"""Sets Django up, imports a module with all that it offers, and prints what is loaded then."""
LOADING = """
import django
from django.conf import settings
apps = ["django.contrib.auth", "django.contrib.contenttypes", "shop", "websocket_gateway"]
settings.configure(INSTALLED_APPS=apps)
django.setup()
"""
"""Loads the models of an app before those of the package."""
PROBE = """
import atexit, json, runpy, sys
path, *sys.argv = sys.argv[1:]
atexit.register(lambda: open(path, "w").write(json.dumps(sorted(sys.modules))))
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs the script named second, and writes the modules that it has loaded to the file named first."""


def modules_loaded_by(*arguments: str, folder: Path) -> set[str]:
    """The modules that `manage.py ARGUMENTS` of the sample project has loaded when it ends."""
    ended = subprocess.run(
        [sys.executable, "-c", PROBE, str(folder / "modules.json"), str(MANAGE), *arguments],
        env=environment(folder / "sample.sqlite3"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    modules = set(json.loads((folder / "modules.json").read_text()))
    assert "django.core.management" in modules
    return modules


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["check"], id="check"),
        pytest.param(["migrate", "--verbosity=0"], id="migrate"),
        pytest.param(["broadcast", "--help"], id="help of broadcast"),
    ],
)
def test_a_command_starts_without_the_progress_bar_and_the_local_gateway(
    arguments: list[str], tmp_path: Path
) -> None:
    modules = modules_loaded_by(*arguments, folder=tmp_path)

    assert "websocket_gateway.models" in modules
    assert [name for name in NOT_LOADED if name in modules] == []


def test_the_local_gateway_shows_its_options_without_its_server(tmp_path: Path) -> None:
    modules = modules_loaded_by("run_local_gateway", "--help", folder=tmp_path)

    assert "websocket_gateway.local.command_line" in modules
    assert modules & {"uvicorn", "websockets"} == set()


@pytest.mark.parametrize("name", PUBLIC)
def test_the_models_of_a_project_may_import_it(name: str, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    module = f"websocket_gateway.{name}"
    (tmp_path / "shop" / "models.py").write_text(
        f"import {module}\nfor name in getattr({module}, '__all__', ()):\n    getattr({module}, name)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", LOADING],
        cwd=tmp_path,
        env=untraced() | {"PYTHONPATH": str(MANAGE.parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", PUBLIC)
def test_importing_what_projects_import_loads_no_boto3(name: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT, f"websocket_gateway.{name}"],
        cwd=MANAGE.parent,
        env=environment(tmp_path / "sample.sqlite3") | {"DJANGO_SETTINGS_MODULE": "project.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr
    modules = set(json.loads(ended.stdout))
    assert {"websocket_gateway.models", f"websocket_gateway.{name}"} <= modules
    assert [slow for slow in SLOW if slow in modules] == []


@pytest.mark.parametrize(
    "arguments",
    [pytest.param(["check"], id="check"), pytest.param(["migrate", "--verbosity=0"], id="migrate")],
)
def test_a_command_that_calls_no_aws_loads_no_boto3(arguments: list[str], tmp_path: Path) -> None:
    modules = modules_loaded_by(*arguments, folder=tmp_path)

    assert "websocket_gateway.models" in modules
    assert [slow for slow in SLOW if slow in modules] == []


PARTS_OF_A_SITE = """
import json, sys
import django
django.setup()
import websocket_gateway.admin, websocket_gateway.checks, websocket_gateway.views
import websocket_gateway.templatetags.websocket_gateway
print(json.dumps(sorted(sys.modules)))
"""
"""Imports what `check` imports of the app: receivers, checks, admin, views, template tags."""


def test_a_site_starts_without_the_code_that_calls_aws(tmp_path: Path) -> None:
    settings = "\n".join([SETTINGS, WITH_THE_APP])
    (tmp_path / "settings.py").write_text(settings)

    ended = subprocess.run(
        [sys.executable, "-c", PARTS_OF_A_SITE],
        cwd=tmp_path,
        env=environment_of(tmp_path, tmp_path / "compiled"),
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr
    modules = set(json.loads(ended.stdout))
    assert {"websocket_gateway.receivers", "websocket_gateway.client_config"} <= modules
    assert [name for name in modules if name.startswith("websocket_gateway.aws.")] == []
    assert modules & {f"websocket_gateway.connections.{name}" for name in ("closing", "verifying")} == set()


def test_the_benchmark_of_the_start_reads_compiled_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    found = environment_of(tmp_path, tmp_path / "compiled")

    assert "PYTHONDONTWRITEBYTECODE" not in found
    assert found["PYTHONPYCACHEPREFIX"] == str(tmp_path / "compiled")


def test_connections_offers_only_what_it_lists() -> None:
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from websocket_gateway.connections import nothing  # noqa: F401
