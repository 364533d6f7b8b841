"""A project made as the README's tour makes it, with a local gateway: what guides type is typed there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.docs.pages import blocks_of

PATIENCE_SECONDS = 120
QUEUE = """
cat > tour/with_queue.py <<'END'
from tour.settings import *
INSTALLED_APPS += ["django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "queue.sqlite3"}}
WEBSOCKET_GATEWAY = {}
END
"""
"""Settings with the queue that the page on tasks tells of, and with no local gateway."""
UNWANTED = ("AWS_", "DJANGO_", "COVERAGE", "WEBSOCKET_GATEWAY_")


class Project:
    """A directory with a `manage.py`, and the shell in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 9000
        kept = {name: value for name, value in os.environ.items() if not name.startswith(UNWANTED)}
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        self.environment = kept | {
            "PATH": path,
            "PYTHONUNBUFFERED": "1",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }

    def type(self, text: str) -> tuple[int, str]:
        """Run lines of shell; the status, and what was printed on both outputs."""
        done = subprocess.run(
            ["bash", "-e", "-c", text.replace("9000", str(self.port))],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        return done.returncode, done.stdout

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A command of `manage.py` that stays; ended as by Ctrl-C, with status 0."""
        process = subprocess.Popen(
            [sys.executable, "manage.py", *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_let_ctrl_c_through,
        )
        try:
            yield process
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=PATIENCE_SECONDS) == 0
        finally:
            process.kill()
            process.communicate()


def _let_ctrl_c_through() -> None:
    """A child of a shell in the background would ignore it for ever."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def first_line(process: subprocess.Popen[str], words: str) -> str:
    """The first line that holds these words; fails where the process ends without one."""
    assert process.stdout
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(f"it ended without {words!r}")


@contextmanager
def tour_project(folder: Path) -> Iterator[Project]:
    """The tour's project with its gateway created and its local gateway running."""
    project = Project(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        project.port = free.getsockname()[1]
    settings, view, create = (
        _block(holding) for holding in ("INSTALLED_APPS +=", "class LobbyView", "create_gateway tour")
    )
    prepared = ["django-admin startproject tour .", settings, QUEUE, view, "python manage.py migrate -v 0"]
    assert project.type("\n".join(prepared)) == (0, "")
    with project.running("run_local_gateway", "--port", str(project.port)) as gateway:
        first_line(gateway, "Local gateway at")
        status, printed = project.type(create)
        assert status == 0, printed
        yield project


def _block(holding: str) -> str:
    (text,) = (block.text for block in blocks_of("README.md", "sh") if holding in block.text)
    return text
