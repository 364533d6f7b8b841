"""The files of the page on Elastic Beanstalk: parsed, and run with stand-ins for the platform's programs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.docs.files import file_of, write
from tests.docs.pages import blocks_of
from tests.support.served import free_port
from websocket_gateway.testing.gateway import local_gateway

yaml = pytest.importorskip("yaml")

PAGE, ECS = "deploy_beanstalk.md", "deploy_ecs.md"
HOOK = ".platform/hooks/postdeploy/01_purge.sh"
NGINX = ".platform/nginx/conf.d/elasticbeanstalk/websocket_gateway.conf"
URLS = """
from django.urls import path
from websocket_gateway.views import WebSocketView
urlpatterns = [path("ws/<slug:route>", WebSocketView.as_view())]
"""


def config(name: str) -> Any:
    return yaml.safe_load(file_of(PAGE, f".ebextensions/{name}"))


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of an instance: the project, a virtual environment, and what stands for the platform."""
    root = tmp_path_factory.mktemp("instance")
    project, venv = root / "var/app/current", root / "var/app/venv/staging-1/bin"
    project.mkdir(parents=True)
    venv.mkdir(parents=True)
    (venv / "activate").write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n')
    startproject = [sys.executable, "-m", "django", "startproject", "project", "."]
    subprocess.run(startproject, cwd=project, check=True, env={"PATH": os.environ["PATH"]})
    with (project / "project/settings.py").open("a") as settings:
        settings.write('INSTALLED_APPS += ["websocket_gateway"]\n')
    (project / "project/urls.py").write_text(URLS)
    write(ECS, project, "project/production.py", "project/health.py")
    write(PAGE, project, "Procfile", "gunicorn.conf.py", HOOK)
    with local_gateway() as gateway:
        with (project / "project/production.py").open("a") as settings:
            settings.write(f'WEBSOCKET_GATEWAY["ENDPOINT_URL"] = "{gateway.endpoint_url}"\n')
        tools = root / "opt/elasticbeanstalk/bin"
        tools.mkdir(parents=True)
        (tools / "get-config").write_text(
            f"#!/bin/bash\n[ $1 = environment ]\necho {shlex.quote(json.dumps(properties()))}\n"
        )
        (tools / "get-config").chmod(0o755)
        for path, file in config("03_purge.config")["files"].items():
            (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
            (root / path[1:]).write_text(moved(root, file["content"]))
            (root / path[1:]).chmod(int(file["mode"], 8))
        yield root


def properties() -> dict[str, str]:
    """Those of the environment, with the secrets, and with a database that is here."""
    own: dict[str, str] = config("01_environment.config")["option_settings"][
        "aws:elasticbeanstalk:application:environment"
    ]
    here = {
        "SECRET_KEY": "abcdefghij0123456789" * 3,
        "DATABASE_PASSWORD": 'it\'s a "secret" $HOME',
        "DATABASE_ENGINE": "django.db.backends.sqlite3",
        "DATABASE_NAME": "app.sqlite3",
    }
    return own | here


def moved(root: Path, text: str) -> str:
    """A script with the paths of the instance below a folder of ours."""
    return re.sub(r"(?<![\w/])/(var/app|opt/elasticbeanstalk)", rf"{root}/\1", text)


def shell(root: Path, command: str, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-c", moved(root, command)],
        cwd=root / "var/app/current",
        env={
            "PATH": os.environ["PATH"],
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_container_commands_migrate_on_one_instance_and_collect_static_files_on_each(instance: Path) -> None:
    commands = config("02_release.config")["container_commands"]

    printed = [shell(instance, commands[name]["command"], **properties()) for name in sorted(commands)]

    assert [commands[name].get("leader_only", False) for name in sorted(commands)] == [True, False]
    assert "Applying websocket_gateway.0001_initial... OK" in printed[0]
    assert "static files copied" in printed[1]


def test_the_timer_runs_a_helper_that_has_the_properties_of_the_environment(instance: Path) -> None:
    shell(
        instance, config("02_release.config")["container_commands"]["01_migrate"]["command"], **properties()
    )
    unit = (instance / "etc/systemd/system/purge-connections.service").read_text()
    (start,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)

    purged = shell(instance, f"{instance}{start}")  # without the properties
    code = shlex.quote("import os; print(os.environ['DATABASE_PASSWORD'])")
    told = shell(instance, f"{instance}/usr/local/bin/app-manage shell -v 0 -c {code}")

    assert json.loads(purged)
    assert told.strip() == properties()["DATABASE_PASSWORD"]


def test_the_gateway_is_created_from_where_one_deploys(instance: Path) -> None:
    shell(
        instance, config("02_release.config")["container_commands"]["01_migrate"]["command"], **properties()
    )
    (block,) = (item for item in blocks_of(PAGE, "console") if "eb deploy" in item.text)
    commands = [line[2:] for line in block.text.splitlines() if "manage.py" in line]

    first = [
        shell(instance, f"source /var/app/venv/*/bin/activate && {line}", **properties()) for line in commands
    ]
    second = [
        shell(instance, f"source /var/app/venv/*/bin/activate && {line}", **properties()) for line in commands
    ]

    assert "+ Created" in first[0]
    assert "Created" not in "".join(second)


def test_the_hook_switches_a_timer_on_that_exists(instance: Path, tmp_path: Path) -> None:
    stub = tmp_path / "systemctl"
    stub.write_text(f'#!/bin/bash\necho "$*" >> {tmp_path}/calls\n')
    stub.chmod(0o755)

    shell(instance, f"bash {HOOK}", PATH=f"{tmp_path}:{os.environ['PATH']}")

    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["daemon-reload", "enable --now purge-connections.timer"]
    assert (instance / "etc/systemd/system" / calls[1].split()[-1]).exists()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd")
def test_systemd_reads_the_units(instance: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "calendar", "*:0/5"], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert "OnCalendar=*:0/5" in (instance / "etc/systemd/system/purge-connections.timer").read_text()


@pytest.mark.parametrize("name", ["/usr/local/bin/app-manage", HOOK])
def test_bash_reads_the_scripts(name: str, tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(
        file_of(PAGE, HOOK) if name == HOOK else config("03_purge.config")["files"][name]["content"]
    )

    done = subprocess.run(["bash", "-n", str(file)], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_every_file_of_the_bundle_is_shown() -> None:
    (tree,) = (block.text.split() for block in blocks_of(PAGE, "text") if "manage.py" in block.text)

    from_elsewhere = {"manage.py", "requirements.txt", "project/"}
    assert from_elsewhere < set(tree)
    assert all(file_of(PAGE, name) for name in tree if name not in from_elsewhere)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
def test_nginx_passes_events_on_as_they_must_be(instance: Path, tmp_path: Path) -> None:
    behind, port = free_port(), free_port()
    location = file_of(PAGE, NGINX).replace(":8000", f":{behind}")
    site = tmp_path / "nginx.conf"
    site.write_text(
        f"pid {tmp_path}/nginx.pid; daemon off; error_log stderr; events {{}}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port}; server_name _;\n{location}\n}} }}"
    )
    web = (
        file_of(PAGE, "Procfile")
        .removeprefix("web: ")
        .strip()
        .replace("--config", f"--bind 127.0.0.1:{behind} --config")
    )
    start = f"source {instance}/var/app/venv/*/bin/activate && exec {web}"
    project = instance / "var/app/current"
    shell(
        instance, config("02_release.config")["container_commands"]["01_migrate"]["command"], **properties()
    )
    common = {"PATH": os.environ["PATH"], "HOME": "/proc/none"}

    with (
        subprocess.Popen(["bash", "-c", start], cwd=project, env=common | properties()) as server,
        subprocess.Popen(["nginx", "-p", str(tmp_path), "-c", str(site)]) as proxy,
    ):
        try:
            status, body = ask(port)
        finally:
            proxy.terminate()
            server.send_signal(signal.SIGTERM)

    assert (status, body) == (
        400,
        b"",
    )  # Django's own: host and scheme are right, the event is not a gateway's
    assert server.returncode == 0


def ask(port: int) -> tuple[int, bytes]:
    """POST an event without the gateway's headers; the answer of Django, once it is up."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                connection.request("POST", "/ws/default", b"{}", {"Host": "www.example.com"})
                answer = connection.getresponse()
                if answer.status != 502:
                    return answer.status, answer.read()
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.3)
