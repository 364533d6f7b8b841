"""`check_ws_settings`: what it prints, what it exits with, and that it ends in time when nothing answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings

from tests.checks.projects import PRODUCTION
from tests.diagnostics.servers import IDENTITY, answering, hanging
from tests.factories import ApiGatewayFactory
from tests.support.commands import Ended, run
from websocket_gateway.diagnostics.probing import diagnose
from websocket_gateway.models import ApiGateway

pytestmark = pytest.mark.django_db(transaction=True)

Check = Callable[..., Ended]
# The child cannot be given view classes; its URLconf has a view without tokens, too.
SERIALISABLE = {name: value for name, value in PRODUCTION.items() if name != "ROOT_URLCONF"}


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Check:
    """Run the command with settings that hold here and in the child."""

    def run_with(*words: str, **overrides: Any) -> Ended:
        project = {**SERIALISABLE, "ROOT_URLCONF": "tests.views.urls", **overrides}
        monkeypatch.setenv("WEBSOCKET_GATEWAY_TEST_OVERRIDES", json.dumps(project))
        with override_settings(**project):
            # A loaded machine may need long to start the child; the last --timeout wins.
            return run("check_ws_settings", "--timeout=60", *words)

    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.diagnostics.child_settings")
    monkeypatch.setenv("WEBSOCKET_GATEWAY_TEST_NAME", str(connection.settings_dict["NAME"]))
    return run_with


def good_gateway(**fields: Any) -> ApiGateway:
    made: ApiGateway = ApiGatewayFactory.create(
        **{"api_name": "chat", "target_base_endpoint": "https://www.example.com/ws/", **fields}
    )
    return made


def test_a_table_has_one_line_for_each_finding(check: Check) -> None:
    good_gateway(last_error="CreateRoute: AWS answered 403.", region_name="")

    ended = check("--format", "text", AWS_GATEWAY_REGION_NAME="eu-west-1", ROOT_URLCONF="tests.urls")

    assert (ended.status, ended.stderr) == (0, "")
    *lines, last = ended.stdout.splitlines()
    assert lines == [
        "WARNING  W107  chat: What was done last in AWS failed: CreateRoute: AWS answered 403.  ->  "
        "Run `manage.py create_gateway chat`.",
        "WARNING  W103  chat: /ws/connect leads to no WebSocketView of this project's URLconf.  ->  "
        'Add path("ws/<str:route>", …), or correct the target URL.',
    ]
    assert last == "2 warnings."


def test_json_is_printed_where_nobody_looks(check: Check) -> None:
    ended = check(SESSION_COOKIE_SECURE=False, ROOT_URLCONF="tests.urls")

    report = json.loads(ended.stdout)
    assert (ended.status, report["errors"], report["warnings"]) == (0, 0, 1)
    (finding,) = report["findings"]
    assert finding == {
        "level": "warning",
        "id": "websocket_gateway.W009",
        "message": "SESSION_COOKIE_SECURE is False: the cookie travels over plain http, too.",
        "hint": "Set SESSION_COOKIE_SECURE = True.",
        "gateway": "",
    }


def test_the_level_that_fails_can_be_chosen(check: Check) -> None:
    careless = {"SESSION_COOKIE_SECURE": False, "ROOT_URLCONF": "tests.urls"}

    assert check("--fail-level", "error", **careless).status == 0
    ended = check("--fail-level", "warning", **careless)
    assert (ended.status, ended.stderr) == (1, "1 warning.")


def test_an_error_fails_at_any_level(check: Check) -> None:
    ended = check("--format=text", WEBSOCKET_GATEWAY={"NO_SUCH_KEY": 1})

    assert ended.status == 1
    assert ended.stdout.startswith("ERROR    E001  WEBSOCKET_GATEWAY has the unknown key 'NO_SUCH_KEY'.")


def test_silenced_findings_are_left_out(check: Check) -> None:
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


def test_a_gateway_that_does_not_exist_is_named(check: Check) -> None:
    good_gateway()

    ended = check("--gateway", "chta")

    assert ended.status == 1
    assert ended.stderr == "There is no gateway 'chta'. There is: 'chat'."


def test_live_probes_say_what_they_found(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_it_ends_within_ten_seconds_when_nothing_answers(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hanging() as nowhere:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", nowhere)
        monkeypatch.setenv("WEBSOCKET_GATEWAY_TEST_HANGING_RESOLVER", "1")
        good_gateway(
            domain_name="ws.example.com",
            target_base_endpoint=f"{nowhere}/ws/",
            api_endpoint=nowhere.replace("http", "ws"),
        )
        begun = time.monotonic()

        ended = check(
            "--live", "--timeout=7", WEBSOCKET_GATEWAY={"ENDPOINT_URL": nowhere, "SEND_TIMEOUT_SECONDS": 60}
        )
        took = time.monotonic() - begun

    report = json.loads(ended.stdout)
    late = {finding["message"] for finding in report["findings"] if finding["id"] == "websocket_gateway.E115"}
    assert took < 10
    assert late == {
        f"The probe {name!r} did not answer within 7 s."
        for name in ("credentials", "DNS of chat", "callback of chat", "posting to chat", "plan of chat")
    }


@pytest.mark.skipif(connection.vendor != "sqlite", reason="points the child at another file")
@pytest.mark.parametrize(
    ("file", "finding"),
    [
        pytest.param("empty.sqlite3", "E102  Not migrated: ", id="no tables"),
        pytest.param("missing/db.sqlite3", "E101  The database cannot be asked: unable to open", id="none"),
    ],
)
def test_a_database_that_is_not_ready_is_a_finding(
    file: str, finding: str, check: Check, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WEBSOCKET_GATEWAY_TEST_NAME", str(tmp_path / file))

    ended = check("--format=text")

    assert ended.status == 1
    assert f"ERROR    {finding}" in ended.stdout


def test_a_project_that_does_not_start_is_told_from_one_that_hangs(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "no_such_settings")

    (finding,) = diagnose(seconds=60).findings[-1:]

    assert finding.id == "websocket_gateway.E116"
    assert "no_such_settings" in finding.message
