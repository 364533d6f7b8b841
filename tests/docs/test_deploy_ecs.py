"""The files of the page on ECS: held against boto3's model of each service, and run, with a stub for AWS."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from tests.docs.files import file_of, write
from tests.support.served import free_port
from websocket_gateway.testing.gateway import local_gateway

PAGE = "deploy_ecs.md"
FILES = ("project/production.py", "project/health.py", "gunicorn.conf.py", "requirements.txt", "Dockerfile")
INSTRUCTIONS = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "CMD"}
OURS = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
PROJECT = """
import time
from django.http import HttpResponse
from django.urls import path
from websocket_gateway.views import WebSocketTokenView, WebSocketView


def slow(request):
    time.sleep(3)
    return HttpResponse("finished")


urlpatterns = [
    path("ws/<slug:route>", WebSocketView.as_view()),
    path("token/", WebSocketTokenView.as_view()),
    path("slow", slow),
]
"""


def shape_errors(service: str, operation: str, params: dict[str, Any]) -> str:
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    return str(ParamValidator().validate(params, shape).generate_report())


@pytest.mark.parametrize(
    ("name", "service", "operation"),
    [
        ("web.json", "ecs", "RegisterTaskDefinition"),
        ("release.json", "ecs", "RegisterTaskDefinition"),
        ("service.json", "ecs", "CreateService"),
        ("target-group.json", "elbv2", "CreateTargetGroup"),
        ("schedule.json", "scheduler", "CreateSchedule"),
    ],
)
def test_a_file_has_the_shape_of_its_call(name: str, service: str, operation: str) -> None:
    params = json.loads(file_of(PAGE, name))

    assert shape_errors(service, operation, params) == ""
    assert shape_errors(service, operation, params | {"wrong": 1}) != ""


def test_the_schedule_runs_a_command_that_exists_in_a_container_that_exists() -> None:
    schedule = json.loads(file_of(PAGE, "schedule.json"))
    overrides = json.loads(schedule["Target"]["Input"])
    web = json.loads(file_of(PAGE, "web.json"))

    assert shape_errors("ecs", "RunTask", {"taskDefinition": "web", "overrides": overrides}) == ""
    (override,) = overrides["containerOverrides"]
    assert override["name"] == web["containerDefinitions"][0]["name"]
    assert override["command"][:3] == ["python", "manage.py", "purge_connections"]


def test_web_and_release_share_image_environment_and_secrets() -> None:
    web, release = (
        json.loads(file_of(PAGE, name))["containerDefinitions"][0] for name in ("web.json", "release.json")
    )
    service = json.loads(file_of(PAGE, "service.json"))

    for key in ("image", "environment", "secrets"):
        assert web[key] == release[key]
    (balancer,) = service["loadBalancers"]
    assert (balancer["containerName"], balancer["containerPort"]) == (
        "web",
        web["portMappings"][0]["containerPort"],
    )


def test_a_wait_is_longer_than_what_it_waits_for() -> None:
    names: dict[str, Any] = {}
    exec(file_of(PAGE, "gunicorn.conf.py"), names)  # noqa: S102 - our own page
    web = json.loads(file_of(PAGE, "web.json"))["containerDefinitions"][0]

    assert 29 < names["timeout"] < 60 < names["keepalive"]
    assert names["graceful_timeout"] < web["stopTimeout"] <= 120
    assert names["bind"].endswith(f":{web['portMappings'][0]['containerPort']}")


def test_the_scheduler_may_run_the_task_and_pass_its_roles() -> None:
    run, passing = json.loads(file_of(PAGE, "web-scheduler.json"))["Statement"]
    web = json.loads(file_of(PAGE, "web.json"))
    target = json.loads(file_of(PAGE, "schedule.json"))["Target"]

    assert target["EcsParameters"]["TaskDefinitionArn"] in run["Resource"]
    assert {web["executionRoleArn"], web["taskRoleArn"]} == set(passing["Resource"])
    assert target["RoleArn"].endswith("role/web-scheduler")


# ---- The image ----


def instructions() -> list[tuple[str, str]]:
    return [tuple(line.split(" ", 1)) for line in file_of(PAGE, "Dockerfile").splitlines()]  # type: ignore[misc]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project of the page on SQLite, beside a local gateway in the place of AWS."""
    folder = tmp_path_factory.mktemp("ecs")
    subprocess.run(
        ["django-admin", "startproject", "project", "."], cwd=folder, check=True, env=environment()
    )
    with (folder / "project/settings.py").open("a") as settings:
        settings.write('INSTALLED_APPS += ["websocket_gateway"]\n')
    (folder / "project/urls.py").write_text(PROJECT)
    write(PAGE, folder, *FILES)
    with local_gateway() as gateway:
        with (folder / "project/production.py").open("a") as settings:
            settings.write(f'WEBSOCKET_GATEWAY["ENDPOINT_URL"] = "{gateway.endpoint_url}"\n')
        yield folder


def environment(**more: str) -> dict[str, str]:
    """That of the container: what the task definition gives, with values for here."""
    container = json.loads(file_of(PAGE, "web.json"))["containerDefinitions"][0]
    given = {item["name"]: item["value"] for item in container["environment"]}
    given |= {item["name"]: f"{item['name']}-{'abcdefghij0123456789' * 3}" for item in container["secrets"]}
    here = {
        "AWS_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "DATABASE_ENGINE": "django.db.backends.sqlite3",
        "DATABASE_NAME": "app.sqlite3",
        "HOME": "/proc/none",  # the user of the image has none
        "PATH": OURS,
    }
    image = dict(line.split("=") for name, line in instructions() if name == "ENV")
    return given | image | here | more


def run(project: Path, *command: str, **more: str) -> str:
    done = subprocess.run(
        command, cwd=project, env=environment(**more), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_instruction_of_the_dockerfile_is_known_and_its_commands_run(project: Path) -> None:
    found = instructions()

    assert {name for name, _rest in found} == INSTRUCTIONS
    assert re.fullmatch(r"python:3\.\d+-slim", found[0][1])
    sources = [shlex.split(rest)[0] for name, rest in found if name == "COPY"]
    assert all((project / source).exists() for source in sources)
    (collect,) = (rest for name, rest in found if name == "RUN" and "manage.py" in rest)
    assert "static files copied" in run(project, "bash", "-c", collect)
    required = file_of(PAGE, "requirements.txt").split()
    assert required[0] == "django-websocket-gateway"


def test_what_deploy_sh_runs_in_the_release_task_creates_the_gateway_and_then_changes_nothing(
    project: Path,
) -> None:
    commands = [
        shlex.split(line)[1:] for line in re.findall(r"^release .*$", file_of(PAGE, "deploy.sh"), re.M)
    ]

    first = [run(project, *command) for command in commands]
    second = [run(project, *command) for command in commands]
    purge = json.loads(json.loads(file_of(PAGE, "schedule.json"))["Target"]["Input"])
    purged = run(project, *purge["containerOverrides"][0]["command"])

    assert [command[2] for command in commands] == ["migrate", "create_gateway", "sync_routes"]
    assert "wss://" in first[1] or "ws://" in first[1]
    assert "+ Created" in first[1]
    assert "Created" not in second[1] + second[2]
    assert json.loads(purged)


def test_django_finds_no_error_in_the_settings_for_production(project: Path) -> None:
    done = subprocess.run(
        ["python", "manage.py", "check", "--deploy", "--fail-level", "ERROR"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    # The local gateway and the bare view are those of this test.
    assert set(re.findall(r"websocket_gateway\.(\w+)", done.stderr)) <= {"W006", "W022", "views"}
    assert set(re.findall(r"security\.(W\d+)", done.stderr)) <= {"W004"}  # HSTS is for the reader to decide


@contextmanager
def container(project: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The image's CMD, on a free port."""
    port = free_port()
    (command,) = (json.loads(rest) for name, rest in instructions() if name == "CMD")
    with subprocess.Popen(
        [*command, "--bind", f"127.0.0.1:{port}"], cwd=project, env=environment()
    ) as server:
        deadline = time.monotonic() + 60
        while True:
            try:
                ask(port, "GET", "/health")
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        try:
            yield server, port
        finally:
            server.kill()


def ask(port: int, method: str, path: str, **headers: str) -> tuple[int, str]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request(method, path, headers={"Host": "10.0.0.7", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


SITE = {"Host": "www.example.com", "X-Forwarded-Proto": "https"}


def test_the_container_answers_health_checks_and_ends_after_what_is_running(project: Path) -> None:
    late: list[tuple[int, str]] = []
    with container(project) as (server, port):
        health = ask(port, "GET", "/health")
        by_address = ask(port, "POST", "/ws/connect", **{"X-Forwarded-Proto": "https"})
        forged = ask(port, "POST", "/ws/connect", **SITE)
        plain = ask(port, "POST", "/ws/connect", Host="www.example.com")
        asking = threading.Thread(target=lambda: late.append(ask(port, "GET", "/slow", **SITE)))
        asking.start()
        time.sleep(1)
        server.send_signal(signal.SIGTERM)
        asking.join()
        status = server.wait(timeout=60)

    assert health == (200, "ok")
    assert (by_address[0], plain[0]) == (400, 301)
    assert forged[0] in (400, 403)  # it is not an event of the gateway
    assert (late, status) == ([(200, "finished")], 0)


# ---- The deploy ----

STUB = """#!{python}
import json, os, sys
with open(os.environ["CALLS"], "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1:3] == ["ecs", "run-task"]:
    print("arn:aws:ecs:REGION:ACCOUNT:task/app/1")
if sys.argv[1:3] == ["ecs", "describe-tasks"]:
    print(os.environ["EXIT_CODE"])
"""


def deploy(folder: Path, exit_code: str) -> tuple[int, list[list[str]], str]:
    """Run `deploy.sh` where `aws` only writes down what it was asked."""
    write(PAGE, folder, "deploy.sh", "web.json", "release.json")
    stub = folder / "bin/aws"
    stub.parent.mkdir(exist_ok=True)
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(0o755)
    calls = folder / "calls"
    calls.write_text("")
    done = subprocess.run(
        ["bash", "deploy.sh"],
        cwd=folder,
        env={"PATH": f"{stub.parent}:{OURS}", "CALLS": str(calls), "EXIT_CODE": exit_code},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, [json.loads(line) for line in calls.read_text().splitlines()], done.stderr


def test_deploy_sh_migrates_before_the_service_and_changes_the_gateway_after_it(tmp_path: Path) -> None:
    status, calls, _printed = deploy(tmp_path, "0")

    assert status == 0
    steps = [call[1] if call[1] != "wait" else f"wait {call[2]}" for call in calls]
    task = ["run-task", "wait tasks-stopped", "describe-tasks"]
    assert steps == [
        *["register-task-definition"] * 2,
        *task,
        "update-service",
        "wait services-stable",
        *task,
        *task,
    ]
    commands = []
    for call in calls:
        if call[1] == "run-task":
            options = dict(zip(call[2::2], call[3::2], strict=True))
            overrides = json.loads(options["--overrides"])
            params = {
                "taskDefinition": options["--task-definition"],
                "networkConfiguration": json.loads(options["--network-configuration"]),
                "overrides": overrides,
            }
            assert shape_errors("ecs", "RunTask", params) == ""
            commands.append(overrides["containerOverrides"][0]["command"][2])
        for argument in call:
            if argument.startswith("file://"):
                assert json.loads((tmp_path / argument.removeprefix("file://")).read_text())
    assert commands == ["migrate", "create_gateway", "sync_routes"]


def test_deploy_sh_stops_when_a_migration_fails(tmp_path: Path) -> None:
    status, calls, printed = deploy(tmp_path, "1")

    assert status == 1
    assert "update-service" not in [call[1] for call in calls]
    assert "python manage.py migrate --no-input: exit status 1" in printed
