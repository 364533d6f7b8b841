"""What the app adds to the start of a process: `manage.py check` with it, and of the same project without it.

Run it with `python -m tests.benchmarks.startup [ROUNDS]`. Both projects are made for it: Django's admin, its
apps and its URLs; one has the toolkit beside them, with its admin, a `WebSocketView` and a token view. The
two are started in turn, each time in a process of its own, so that whatever else the machine does slows both
down; the figures are the ratios of the medians. The CPU time decides: that of the child, user and system. The
compiled modules are kept in a folder of the benchmark, whatever the environment says about writing them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.results import keep
from tests.support.untraced import untraced

ROUNDS = 20
LIMIT = 1.25
ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
SECRET_KEY = "for-the-benchmark-only"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
ROOT_URLCONF = "urls"
"""
WITH_THE_APP = """
INSTALLED_APPS.append("websocket_gateway")
WEBSOCKET_GATEWAY = {"ENDPOINT_URL": "http://127.0.0.1:9000"}
"""
URLS = """
from django.contrib import admin
from django.urls import path

urlpatterns = [path("admin/", admin.site.urls)]
"""
URLS_OF_THE_APP = """
from websocket_gateway.views import WebSocketTokenView, WebSocketView


class ChatView(WebSocketView):
    pass


urlpatterns += [path("ws/<str:route>", ChatView.as_view()), path("token/", WebSocketTokenView.as_view())]
"""


class Run(NamedTuple):
    """What one process took."""

    cpu: float
    wall: float
    megabytes: float


def main(rounds: int) -> int:
    """Measure, print, and answer 1 where the ratio of the CPU times is beyond the limit."""
    with tempfile.TemporaryDirectory() as folder:
        with_it = write_project(Path(folder, "with_it"), WITH_THE_APP, URLS_OF_THE_APP)
        without = write_project(Path(folder, "without"), "", "")
        compiled = Path(folder, "compiled")
        start(with_it, compiled)  # compiles the modules
        start(without, compiled)
        pairs = [(start(with_it, compiled), start(without, compiled)) for _ in range(rounds)]
    mine, theirs = (_medians([pair[side] for pair in pairs]) for side in (0, 1))
    for name, run in (("with the app", mine), ("without it", theirs)):
        print(f"{name}: {run.cpu:.2f} s of CPU, {run.wall:.2f} s, {run.megabytes:.0f} MB")  # noqa: T201
    ratio = mine.cpu / theirs.cpu
    for name, run, told in (
        ("`manage.py check` of a project with admin", theirs, ""),
        ("the same with the app", mine, f"{ratio:.2f} times the CPU time"),
    ):
        keep(name, f"{run.cpu:.2f} s of CPU, {run.megabytes:.0f} MB", told)
    print(  # noqa: T201
        f"ratio: CPU {ratio:.2f} (limit {LIMIT}), time {mine.wall / theirs.wall:.2f}, "
        f"memory {mine.megabytes / theirs.megabytes:.2f} (+{mine.megabytes - theirs.megabytes:.0f} MB)"
    )
    return int(ratio > LIMIT)


def write_project(folder: Path, settings: str, urls: str) -> Path:
    """Write settings and URLs of a project, with these lines added."""
    folder.mkdir()
    (folder / "settings.py").write_text(SETTINGS + settings)
    (folder / "urls.py").write_text(URLS + urls)
    return folder


def environment_of(project: Path, compiled: Path) -> dict[str, str]:
    """The environment of a start: compiled modules are written to `compiled`, and read from there."""
    environment = {name: value for name, value in untraced().items() if not name.startswith("AWS_")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment | {
        "DJANGO_SETTINGS_MODULE": "settings",
        "PYTHONPATH": f"{project}{os.pathsep}{ROOT}",
        "PYTHONPYCACHEPREFIX": str(compiled),
    }


def start(project: Path, compiled: Path) -> Run:
    """Run `manage.py check` once, to its end."""
    environment = environment_of(project, compiled)
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, "-m", "django", "check"]
        process = subprocess.Popen(command, env=environment, cwd=project, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"`check` ended with status {process.returncode}: {output.read()}")
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024)


def _medians(runs: list[Run]) -> Run:
    return Run(*(statistics.median(column) for column in zip(*runs, strict=True)))


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS))
