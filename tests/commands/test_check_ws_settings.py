"""`check_ws_settings`: what it prints, what it exits with, and that it ends in time when nothing answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from tests.checks.projects import PRODUCTION
from tests.diagnostics.servers import IDENTITY, answering, hanging
from tests.factories import ApiGatewayFactory
from tests.support.commands import Ended, run
from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
# What a test gives to a process must fit into JSON; the URLconf has a view without tokens, too.
SERIALISABLE = {name: value for name, value in PRODUCTION.items() if name != "ROOT_URLCONF"}
PROJECT = {**SERIALISABLE, "ROOT_URLCONF": "tests.views.urls"}


def check(*words: str, **overrides: Any) -> Ended:
    """Run the command in this process; a loaded machine may need long, and the last --timeout wins."""
    with override_settings(**{**PROJECT, **overrides}):
        return run("check_ws_settings", "--timeout=60", *words)


def check_in_process(*words: str, environment: dict[str, str] | None = None, **overrides: Any) -> Ended:
    """Run the command as a program of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "django", "check_ws_settings", *words],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.diagnostics.process_settings",
            "WEBSOCKET_GATEWAY_TEST_NAME": str(connection.settings_dict["NAME"]),
            "WEBSOCKET_GATEWAY_TEST_OVERRIDES": json.dumps({**PROJECT, **overrides}),
            **(environment or {}),
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def check_in_time(*words: str, **how: Any) -> Ended:
    """Run the command as a program, which must end within ten seconds; what hangs would take minutes.

    A machine with more work than processors may need longer to start it.
    """
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)
    begun = time.monotonic()
    ended = check_in_process(*words, **how)
    assert time.monotonic() - begun < (25 if busy else 10)
    return ended


def late_probes(ended: Ended) -> set[str]:
    """The names of the probes that did not answer."""
    findings = json.loads(ended.stdout)["findings"]
    late = [item["message"] for item in findings if item["id"] == "websocket_gateway.E115"]
    assert all(message.endswith(" did not answer within 7 s.") for message in late)
    return {message.split("'")[1] for message in late}


def good_gateway(**fields: Any) -> ApiGateway:
    made: ApiGateway = ApiGatewayFactory.create(
        **{"api_name": "chat", "target_base_endpoint": "https://www.example.com/ws/", **fields}
    )
    return made


def test_a_table_has_one_line_for_each_finding() -> None:
    good_gateway(last_error="CreateRoute: AWS answered 403.", region_name="")

    ended = check("--format", "text", AWS_GATEWAY_REGION_NAME="eu-west-1", ROOT_URLCONF="tests.urls")

    assert (ended.status, ended.stderr) == (0, "")
    *lines, last = ended.stdout.splitlines()
    assert lines == [
        "WARNING  W107  chat: The last operation in AWS failed: CreateRoute: AWS answered 403.  ->  "
        "Run `manage.py create_gateway chat`.",
        "WARNING  W103  chat: /ws/connect does not lead to a WebSocketView in this project's URLconf.  ->  "
        'Add path("ws/<str:route>", …), or correct the target URL.',
    ]
    assert last == "2 warnings."


def test_json_is_printed_where_nobody_looks() -> None:
    ended = check(SESSION_COOKIE_SECURE=False, ROOT_URLCONF="tests.urls")

    report = json.loads(ended.stdout)
    assert (ended.status, report["errors"], report["warnings"]) == (0, 0, 1)
    (finding,) = report["findings"]
    assert finding == {
        "level": "warning",
        "id": "websocket_gateway.W009",
        "message": "SESSION_COOKIE_SECURE is False: the cookie is also sent over plain http.",
        "hint": "Set SESSION_COOKIE_SECURE = True.",
        "gateway": "",
    }


def test_the_level_that_fails_can_be_chosen() -> None:
    careless = {"SESSION_COOKIE_SECURE": False, "ROOT_URLCONF": "tests.urls"}

    assert check("--fail-level", "error", **careless).status == 0
    ended = check("--fail-level", "warning", **careless)
    assert (ended.status, ended.stderr) == (1, "1 warning.")


def test_an_error_fails_at_any_level() -> None:
    ended = check("--format=text", WEBSOCKET_GATEWAY={"NO_SUCH_KEY": 1})

    assert ended.status == 1
    assert ended.stdout.startswith("ERROR    E001  WEBSOCKET_GATEWAY has the unknown key 'NO_SUCH_KEY'.")


def test_silenced_findings_are_left_out() -> None:
    good_gateway(region_name="us-east-1")

    ended = check(
        "--format=text",
        SESSION_COOKIE_SECURE=False,
        SILENCED_SYSTEM_CHECKS=["websocket_gateway.W009", "websocket_gateway.W109"],
        ROOT_URLCONF="tests.views.urls",
        AWS_GATEWAY_REGION_NAME="eu-west-1",
    )

    assert "W009" not in ended.stdout
    assert "W109" not in ended.stdout


def test_a_gateway_that_does_not_exist_is_named() -> None:
    good_gateway()

    ended = check("--gateway", "chta")

    assert ended.status == 2
    assert ended.stderr == "There is no gateway 'chta'. There is: 'chat'."


def test_live_probes_say_what_they_found(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = {"body": IDENTITY, "headers": {"Content-Type": "text/xml"}}
    stage = {"status": 410, "headers": {"x-amzn-ErrorType": "GoneException"}}
    with answering(status=403) as target, answering(**identity) as sts, answering(**stage) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        good_gateway(
            target_base_endpoint=f"{target.url}/ws/", api_endpoint=endpoint.url.replace("http", "ws")
        )

        ended = check("--live", "--gateway", "chat", WEBSOCKET_GATEWAY={"ENDPOINT_URL": endpoint.url})

    report = json.loads(ended.stdout)
    assert ended.status == 1  # the control plane that answers 410 to everything cannot be compared with
    assert {
        "credentials of arn:aws:iam::123456789012:role/web",
        "region eu-central-1",
        f"gateway chat: {target.url}/ws/connect refuses unsigned calls",
        "gateway chat: messages may be posted",
    } <= set(report["facts"])
    errors = [finding["id"] for finding in report["findings"] if finding["level"] == "error"]
    assert errors == ["websocket_gateway.E105"]


@pytest.mark.parametrize("level", ["error", "warning"])
def test_it_ends_within_ten_seconds_when_nothing_answers(level: str) -> None:
    with hanging() as nowhere:
        good_gateway(
            domain_name="ws.example.com",
            target_base_endpoint=f"{nowhere}/ws/",
            api_endpoint=nowhere.replace("http", "ws"),
        )
        ended = check_in_time(
            "--live",
            f"--fail-level={level}",
            environment={"AWS_ENDPOINT_URL_STS": nowhere, "WEBSOCKET_GATEWAY_TEST_HANGING_RESOLVER": "1"},
            WEBSOCKET_GATEWAY={"ENDPOINT_URL": nowhere, "SEND_TIMEOUT_SECONDS": 60},
        )

    assert late_probes(ended) == {
        "credentials",
        "DNS of chat",
        "callback of chat",
        "posting to chat",
        "plan of chat",
    }
    assert ended.status == 1
    assert ended.stderr.startswith("CommandError: 5 errors")


@pytest.mark.parametrize(
    ("vendor", "driver"),
    [
        pytest.param("postgresql", "psycopg", id="PostgreSQL"),
        pytest.param("mysql", "MySQLdb", id="MariaDB"),
    ],
)
def test_it_ends_within_ten_seconds_when_the_database_does_not_answer(vendor: str, driver: str) -> None:
    pytest.importorskip(driver)
    with hanging() as nowhere:
        port = nowhere.rpartition(":")[2]
        database = {"ENGINE": f"django.db.backends.{vendor}", "NAME": "x", "HOST": "127.0.0.1", "PORT": port}
        ended = check_in_time("--live", DATABASES={"default": database})

    assert late_probes(ended) == {"database"}
    assert ended.status == 1


def test_it_ends_within_ten_seconds_when_dns_does_not_know_the_databases_host() -> None:
    pytest.importorskip("psycopg")
    database = {"ENGINE": "django.db.backends.postgresql", "NAME": "x", "HOST": "db.example.com"}
    ended = check_in_time(
        environment={"WEBSOCKET_GATEWAY_TEST_HANGING_RESOLVER": "1"}, DATABASES={"default": database}
    )

    assert late_probes(ended) == {"database"}
    assert ended.status == 1


def test_a_silenced_probe_that_hangs_does_not_fail_the_command_nor_keep_it() -> None:
    with hanging() as nowhere:
        good_gateway(domain_name="", target_base_endpoint=f"{nowhere}/ws/", api_endpoint="")
        ended = check_in_time(
            "--live",
            environment={"AWS_ENDPOINT_URL_STS": nowhere},
            SILENCED_SYSTEM_CHECKS=["websocket_gateway.E115"],
        )

    assert (ended.status, json.loads(ended.stdout)["errors"], ended.stderr) == (0, 0, "")


def test_a_probe_that_hangs_does_not_keep_a_caller_in_the_same_process() -> None:
    with hanging() as nowhere:
        good_gateway(target_base_endpoint=f"{nowhere}/ws/", api_endpoint="ws://127.0.0.1:9")
        begun = time.monotonic()

        ended = check("--live", "--timeout=1", "--format=text")
        took = time.monotonic() - begun

    assert took < 5
    assert ended.status == 1
    assert "ERROR    E115  The probe 'callback of chat' did not answer within 1 s.  ->  " in ended.stdout


def test_ctrl_c_ends_it_although_probes_hang() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        listener.settimeout(60)
        nowhere = f"http://127.0.0.1:{listener.getsockname()[1]}"
        good_gateway(target_base_endpoint=f"{nowhere}/ws/", api_endpoint=nowhere.replace("http", "ws"))
        running = subprocess.Popen(
            [sys.executable, "-m", "django", "check_ws_settings", "--live", "--timeout=60"],
            cwd=ROOT,
            env={
                **os.environ,
                "AWS_ENDPOINT_URL_STS": nowhere,
                "DJANGO_SETTINGS_MODULE": "tests.diagnostics.process_settings",
                "WEBSOCKET_GATEWAY_TEST_NAME": str(connection.settings_dict["NAME"]),
                "WEBSOCKET_GATEWAY_TEST_OVERRIDES": json.dumps(
                    {**PROJECT, "WEBSOCKET_GATEWAY": {"ENDPOINT_URL": nowhere, "SEND_TIMEOUT_SECONDS": 60}}
                ),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        with listener.accept()[0]:  # a probe, which hangs now
            running.send_signal(signal.SIGINT)
            _stdout, stderr = running.communicate(timeout=20)

    assert (running.returncode, stderr) == (130, "Interrupted.\n")


@pytest.mark.parametrize(
    ("file", "finding"),
    [
        pytest.param("empty.sqlite3", "E102  Not migrated: ", id="no tables"),
        pytest.param("missing/db.sqlite3", "E101  The database cannot be queried: unable to open", id="none"),
    ],
)
def test_a_database_that_is_not_ready_is_a_finding(file: str, finding: str, tmp_path: Path) -> None:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / file)}

    ended = check_in_process("--format=text", DATABASES={"default": database})

    assert ended.status == 1
    assert f"ERROR    {finding}" in ended.stdout


def test_a_project_without_a_settings_module_is_diagnosed_like_any_other(tmp_path: Path) -> None:
    program = f"""
import django
from django.conf import settings
from django.core.management import execute_from_command_line

settings.configure(
    SECRET_KEY="only-for-tests",
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {str(tmp_path / "db")!r}}}}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                    "websocket_gateway"],
    ROOT_URLCONF="tests.views.urls",
    USE_TZ=True,
)
django.setup()
execute_from_command_line(["manage.py", "migrate", "--verbosity=0"])
execute_from_command_line(["manage.py", "check_ws_settings", "--format=json"])
"""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["errors"] == 0
    assert "websocket_gateway.W013" in [finding["id"] for finding in report["findings"]]
