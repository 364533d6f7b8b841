"""Every extra by itself in an environment of its own: what it gives, and what is said where it is missing."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.building import ROOT, build
from tests.support.installing import SELECTED, shell

pytestmark = SELECTED
SETTINGS = """
INSTALLED_APPS += ["websocket_gateway"]
WEBSOCKET_GATEWAY = {"ENDPOINT_URL": "POSTS", "SEND_ENGINE": "asyncio"}
"""
ONE_IN_THE_LOBBY = """
from websocket_gateway.models import ApiGateway, WebSocketSession

url = "POSTS"
gateway = ApiGateway.objects.create(
    api_name="live", region_name="eu-central-1", api_id="abc", api_endpoint=url, target_base_endpoint=url
)
WebSocketSession.objects.create(api_gateway=gateway, connection_id="one=", channel_name="lobby")
"""
ENQUEUE = """
from websocket_gateway.sending import broadcast

broadcast({}, channel="lobby", enqueue=True)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def posts() -> Iterator[str]:
    """The address of what stands for `@connections`: it takes every POST."""

    class Taker(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def bare(wheel: Path, posts: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one connection in the lobby, in an environment that has the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("bare") / "project"
    folder.mkdir()
    # Django 5.2 is the last without a tasks framework of its own.
    shell(f"python3 -m venv venv; venv/bin/pip install -q '{wheel}' 'Django~=5.2.0'", folder)
    shell("venv/bin/python -m django startproject site_ .", folder)
    with (folder / "site_/settings.py").open("a") as settings:
        settings.write(SETTINGS.replace("POSTS", posts))
    (folder / "connected.py").write_text(ONE_IN_THE_LOBBY.replace("POSTS", posts))
    shell(
        "venv/bin/python manage.py migrate -v 0; venv/bin/python manage.py shell -v 0 < connected.py", folder
    )
    return folder


@pytest.fixture
def project(bare: Path, tmp_path: Path) -> Path:
    """The bare project, to install one extra into."""
    copied = tmp_path / "project"
    shutil.copytree(bare, copied, ignore=shutil.ignore_patterns("venv"))
    # Links instead of copies: pip adds files here, and changes none.
    shutil.copytree(bare / "venv", copied / "venv", symlinks=True, copy_function=os.link)
    return copied


def install(requirement: str, project: Path) -> None:
    shell(f"venv/bin/python -m pip install -q {requirement}", project)


def test_without_any_extra_what_needs_one_names_it(project: Path) -> None:
    (project / "enqueue.py").write_text(ENQUEUE)

    output = shell(
        """
        venv/bin/python manage.py check
        venv/bin/python manage.py run_local_gateway && exit 9 || echo "ended with $?"
        venv/bin/python manage.py broadcast lobby '{}' --enqueue && exit 9 || echo "ended with $?"
        venv/bin/python manage.py shell -v 0 < enqueue.py && exit 9 || true
        """,
        project,
    )
    commands, _, python = output.partition("Traceback")

    assert "System check identified" in commands
    assert "The local gateway needs uvicorn: pip install 'django-websocket-gateway[local]'" in commands
    assert "pip install 'django-websocket-gateway[tasks]'" in commands
    assert commands.count("ended with 1") == 2
    # From code it is an exception; the last line of its traceback is what counts.
    assert python.strip().splitlines()[-1].startswith("websocket_gateway.exceptions.ConfigurationError: ")
    assert "django-websocket-gateway[tasks]" in python.strip().splitlines()[-1]


def test_without_local_the_fixture_names_it(project: Path) -> None:
    install("pytest", project)
    (project / "test_it.py").write_text(
        'pytest_plugins = ["websocket_gateway.testing.gateway"]\ndef test_it(local_gateway): pass\n'
    )

    output = shell("venv/bin/python -m pytest -q test_it.py && exit 9 || true", project)

    assert "LocalGatewayError: The local gateway needs uvicorn: " in output
    assert "'django-websocket-gateway[local]'" in output


def test_without_fast_the_asyncio_engine_sends_over_asyncio(project: Path) -> None:
    output = shell("venv/bin/python manage.py broadcast lobby '{}'", project)
    loop = shell(_LOOP, project)

    assert "1 of 1 delivered" in output
    assert loop.startswith("asyncio.")


def test_fast_is_uvloop_for_the_asyncio_engine(project: Path, wheel: Path) -> None:
    install(f"'{wheel}[fast]'", project)

    output = shell("venv/bin/python manage.py broadcast lobby '{}'", project)
    loop = shell(_LOOP, project)

    assert "1 of 1 delivered" in output
    assert loop.strip() == "uvloop"


def test_local_is_the_local_gateway(project: Path, wheel: Path) -> None:
    install(f"'{wheel}[local]'", project)

    output = shell("timeout -s INT 5 venv/bin/python manage.py run_local_gateway --port 0 || true", project)

    assert "Local gateway at http://127.0.0.1:" in output
    assert "Traceback" not in output


def test_tasks_is_the_framework_that_a_queue_of_django_5_2_needs(project: Path, wheel: Path) -> None:
    install(f"'{wheel}[tasks]'", project)
    without_a_queue = shell("venv/bin/python manage.py broadcast lobby '{}' --enqueue || true", project)
    install("django-tasks-db", project)
    with (project / "site_/settings.py").open("a") as settings:
        settings.write('INSTALLED_APPS += ["django_tasks_db"]\n')
        settings.write('TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}\n')

    output = shell(
        """
        venv/bin/python manage.py migrate -v 0
        venv/bin/python manage.py broadcast lobby '{}' --enqueue
        venv/bin/python manage.py db_worker --batch
        venv/bin/python manage.py broadcast --status 1
        """,
        project,
    )

    assert "Configure a queue in TASKS" in without_a_queue
    assert "[tasks]" not in without_a_queue
    assert "Enqueued broadcast 1" in output
    assert "is finished: 1 of 1 delivered" in output


def test_docs_is_what_builds_the_site(project: Path, wheel: Path) -> None:
    install(f"'{wheel}[docs]'", project)
    script = (
        f"'{project}/venv/bin/python' -m sphinx -q -W --keep-going -b html management_docs '{project}/built'"
    )

    shell(f"cd '{ROOT}'; {script}", project)

    assert "create_gateway" in (project / "built/index.html").read_text()


_LOOP = """venv/bin/python -c "
from websocket_gateway.aws.engines.asyncio_loop import new_event_loop
loop = new_event_loop()
print(type(loop).__module__)
loop.close()"
"""
