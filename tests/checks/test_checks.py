"""Every finding: the smallest project that has it, and the same project without it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project_settings
from django.db.models import Model
from django.urls import path

from tests.checks import unrouted
from tests.checks.projects import LOCAL, PRODUCTION, Case, change_environment, findings, urls
from tests.checks.unrouted.views import ForgottenView
from websocket_gateway.aws.clients import forget_clients

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = "django.contrib.sessions.backends"
CACHES = "django.core.cache.backends"


class ToReplica:
    """Puts everything of this package into another database."""

    def db_for_write(self, model: type[Model], **hints: object) -> str | None:
        """The database of a model."""
        return "other" if model._meta.app_label == "websocket_gateway" else None


def gateway_settings(**options: Any) -> dict[str, Any]:
    return {"WEBSOCKET_GATEWAY": options}


def without(name: str, value: str) -> dict[str, Any]:
    return {name: [item for item in getattr(project_settings, name) if item != value]}


CASES = {
    "an unknown key": Case(number="E001", bad=gateway_settings(TOKEN_EXPIRY=60)),
    "a value of the wrong type": Case(
        number="E001",
        bad=gateway_settings(SEND_CONCURRENCY="many"),
        good=gateway_settings(SEND_CONCURRENCY=64),
    ),
    "half a pair of keys": Case(number="E001", bad={"AWS_ACCESS_KEY_ID": "AKIA"}),
    "an origin with a slash": Case(
        number="E002",
        bad=gateway_settings(ALLOWED_ORIGINS=["https://www.example.com/"]),
        good=gateway_settings(ALLOWED_ORIGINS=["https://www.example.com"]),
    ),
    "a bare star as origin": Case(
        number="E002",
        bad=gateway_settings(ALLOWED_ORIGINS=["*"]),
        good=gateway_settings(ALLOWED_ORIGINS=["https://*.example.com"]),
    ),
    "an origin without a scheme": Case(
        number="E002", bad=gateway_settings(ALLOWED_ORIGINS=["www.example.com"])
    ),
    "a limit that is text": Case(
        number="E011",
        bad={"ROOT_URLCONF": urls(MAX_CONNECTIONS_PER_USER="100")},
        good={"ROOT_URLCONF": urls(MAX_CONNECTIONS_PER_USER=100)},
    ),
    "a limit below zero": Case(
        number="E011",
        bad={"ROOT_URLCONF": urls(RATE_LIMIT_MAX_ATTEMPTS=-1)},
        good={"ROOT_URLCONF": urls(RATE_LIMIT_MAX_ATTEMPTS=None)},
    ),
    "a limit of connections below zero in the settings": Case(
        number="E001",
        bad=gateway_settings(MAX_CONNECTIONS_PER_USER=-1),
        good=gateway_settings(MAX_CONNECTIONS_PER_USER=0),
    ),
    "a limit of messages that is text": Case(
        number="E001",
        bad=gateway_settings(MAX_MESSAGES_PER_MINUTE="600"),
        good=gateway_settings(MAX_MESSAGES_PER_MINUTE=600),
    ),
    "a URL without route": Case(
        number="E003",
        bad={"ROOT_URLCONF": urls("ws/")},
        good={"ROOT_URLCONF": urls("ws/", {"route": "move"})},
    ),
    "a URL with a slash at its end": Case(
        number="E004",
        bad={"ROOT_URLCONF": urls("ws/<slug:route>/")},
        good={"ROOT_URLCONF": urls("ws/<slug:route>")},
    ),
    "channel names longer than the column": Case(
        number="E005",
        bad={"ROOT_URLCONF": urls(MAX_CHANNEL_NAME_LENGTH=192)},
        good={"ROOT_URLCONF": urls(MAX_CHANNEL_NAME_LENGTH=191)},
    ),
    "a URLconf that cannot be read": Case(number="E006", bad={"ROOT_URLCONF": "no.such.urlconf"}),
    "a pattern that is none": Case(
        number="E007",
        bad={"ROOT_URLCONF": urls(CHANNEL_NAME_PATTERN="[a-z")},
        good={"ROOT_URLCONF": urls(CHANNEL_NAME_PATTERN=re.compile("[a-z]+"))},
    ),
    "a session engine that is none": Case(number="E008", bad={"SESSION_ENGINE": "no.such.engine"}),
    "no session engine at all": Case(number="E008", bad={"SESSION_ENGINE": None}),
    "a URLconf that breaks in its own way": Case(
        number="E006", bad={"ROOT_URLCONF": "tests.checks.broken_urlconf"}
    ),
    "sessions in a table that is missing": Case(
        number="E009", bad=without("INSTALLED_APPS", "django.contrib.sessions")
    ),
    "sessions in a cache that keeps nothing": Case(
        number="E010",
        bad={
            "SESSION_ENGINE": f"{SESSIONS}.cache",
            "CACHES": {"default": {"BACKEND": f"{CACHES}.dummy.DummyCache"}},
        },
        good={
            "SESSION_ENGINE": f"{SESSIONS}.cache",
            "CACHES": {"default": {"BACKEND": f"{CACHES}.filebased.FileBasedCache", "LOCATION": "/nowhere"}},
        },
    ),
    "the other package's secret": Case(number="W001", bad={"WEBSOCKETS": {"gateway_secret": "s" * 32}}),
    "no region": Case(
        number="W002",
        bad={"AWS_GATEWAY_REGION_NAME": ""},
        bad_environment={"AWS_DEFAULT_REGION": None},
    ),
    "keys in the settings": Case(
        number="W003",
        bad={"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "written down"},
        good={"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"},  # the environment's
    ),
    "a recorder that does not exist": Case(
        number="E012",
        bad=gateway_settings(METRICS="tests.checks.nothing.Recorder"),
        good=gateway_settings(METRICS="otel"),
    ),
    "keys beside a profile": Case(
        number="W004",
        base=LOCAL,
        bad={"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "not used"},
    ),
    "no secret asked for": Case(
        number="W005",
        bad=gateway_settings(ORIGIN_SECRET_REQUIRED=False),
        good=gateway_settings(ORIGIN_SECRET_REQUIRED=True),
    ),
    "the local gateway in production": Case(
        number="W006",
        bad=gateway_settings(ENDPOINT_URL="http://127.0.0.1:9000"),
        good=gateway_settings(ENDPOINT_URL="https://vpce.example.com"),
    ),
    "an execution log that shows secrets": Case(
        number="W007",
        bad=gateway_settings(GATEWAYS={"chat": {"LOGGING_LEVEL": "INFO"}}),
        good=gateway_settings(GATEWAYS={"chat": {"LOGGING_LEVEL": "ERROR"}}),
    ),
    "hosts that stand for no origin": Case(
        number="W008",
        bad={"ALLOWED_HOSTS": ["*"], "CSRF_TRUSTED_ORIGINS": []},
        good={"ALLOWED_HOSTS": ["*"]},
    ),
    "an empty list of origins": Case(number="W008", bad=gateway_settings(ALLOWED_ORIGINS=[])),
    "a trusted origin with a slash": Case(
        number="W024", bad={"CSRF_TRUSTED_ORIGINS": ["https://www.example.com/"]}
    ),
    "a trusted origin without a scheme": Case(
        number="W024", bad={"CSRF_TRUSTED_ORIGINS": ["https://www.example.com", "ws.example.com"]}
    ),
    "half an address as trusted origin": Case(
        number="W024", bad={"CSRF_TRUSTED_ORIGINS": ["https://www.example.com", "https://[::1"]}
    ),
    "a session cookie over http": Case(number="W009", bad={"SESSION_COOKIE_SECURE": False}),
    "a CSRF cookie over http": Case(number="W009", bad={"CSRF_COOKIE_SECURE": False}),
    "a strict session cookie": Case(number="W010", bad={"SESSION_COOKIE_SAMESITE": "Strict"}),
    "a session cookie for all sites": Case(number="W010", bad={"SESSION_COOKIE_SAMESITE": "None"}),
    "a CSRF cookie for all sites": Case(number="W010", bad={"CSRF_COOKIE_SAMESITE": None}),
    "a cookie for another domain": Case(number="W011", bad={"CSRF_COOKIE_DOMAIN": ".example.org"}),
    "a cookie that stays with the page's host": Case(
        number="W012",
        bad={"SESSION_COOKIE_DOMAIN": "www.example.com", "ROOT_URLCONF": urls(USE_WS_TOKEN=False)},
        good={"SESSION_COOKIE_DOMAIN": "www.example.com"},
        beside=frozenset({"W017"}),
    ),
    "a cookie without a domain": Case(
        number="W012",
        base=LOCAL,
        bad={
            "CSRF_TRUSTED_ORIGINS": ["https://www.example.com", "wss://events.example.com"],
            "ROOT_URLCONF": urls(USE_WS_TOKEN=False),
        },
        good={
            "CSRF_TRUSTED_ORIGINS": ["https://www.example.com", "wss://events.example.com"],
            "SESSION_COOKIE_DOMAIN": ".example.com",
            "ROOT_URLCONF": urls(USE_WS_TOKEN=False),
        },
    ),
    "no session middleware": Case(
        number="W013",
        bad=without("MIDDLEWARE", "django.contrib.sessions.middleware.SessionMiddleware"),
    ),
    "no auth middleware": Case(
        number="W013",
        bad=without("MIDDLEWARE", "django.contrib.auth.middleware.AuthenticationMiddleware"),
    ),
    "sessions in signed cookies": Case(
        number="W014",
        bad={"SESSION_ENGINE": f"{SESSIONS}.signed_cookies"},
        good={"SESSION_ENGINE": f"{SESSIONS}.cached_db", "CACHES": {}},
    ),
    "a redirect to https behind a proxy": Case(
        number="W015",
        bad={"SECURE_SSL_REDIRECT": True},
        good={
            "SECURE_SSL_REDIRECT": True,
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
        },
    ),
    "a view that no URL leads to": Case(
        number="W016",
        bad={"INSTALLED_APPS": [*project_settings.INSTALLED_APPS, unrouted.__name__]},
        good={
            "INSTALLED_APPS": [*project_settings.INSTALLED_APPS, unrouted.__name__],
            "ROOT_URLCONF": (path("ws/<str:route>", ForgottenView.as_view()),),
        },
    ),
    "no tokens": Case(number="W017", bad={"ROOT_URLCONF": urls(USE_WS_TOKEN=False)}),
    "no rate limit": Case(number="W018", bad={"ROOT_URLCONF": urls(RATE_LIMIT_ENABLED=False)}),
    "rate limit of zero": Case(number="W018", bad={"ROOT_URLCONF": urls(RATE_LIMIT_MAX_ATTEMPTS=0)}),
    "handlers that are not listed": Case(number="W019", bad={"ROOT_URLCONF": urls(ALLOWED_HANDLERS=())}),
    "headers that are not asked for": Case(
        number="W020",
        bad={"ROOT_URLCONF": urls(required_headers=["Host"])},
        good={"ROOT_URLCONF": urls(additional_required_headers=["X-Forwarded-For"])},
    ),
    "debug outside DEBUG": Case(
        number="W021", bad={"ROOT_URLCONF": urls(debug=True)}, good={"ROOT_URLCONF": urls(debug=False)}
    ),
    "channels that nobody guards": Case(
        number="W022",
        bad={"ROOT_URLCONF": urls(permissions_required=())},
        good={"ROOT_URLCONF": urls(permissions_required=(), ALLOW_UNLISTED_CHANNELS=False)},
    ),
    "a channel that no view accepts": Case(
        number="W025",
        bad=gateway_settings(CHANNELS={"orders eu": {"HISTORY_MESSAGES": 10}}),
        good=gateway_settings(CHANNELS={"orders_eu": {"HISTORY_MESSAGES": 10}}),
    ),
    "a prefix of channels that no view accepts": Case(
        number="W025",
        bad=gateway_settings(CHANNELS={"orders/*": {}}),
        good=gateway_settings(CHANNELS={"orders_*": {}, "*": {}}),
    ),
    "messages that do not commit with the data": Case(
        number="W026",
        bad=gateway_settings(CHANNELS={"orders_*": {"HISTORY_MESSAGES": 10}})
        | {"DATABASE_ROUTERS": [f"{__name__}.ToReplica"]},
        good={"DATABASE_ROUTERS": [f"{__name__}.ToReplica"]},
    ),
    "a function for tasks that does not exist": Case(
        number="W027",
        bad=gateway_settings(TASK_BACKEND="project.tasks.enqueue"),
        good=gateway_settings(TASK_BACKEND="tests.test_task_queue.take"),
    ),
    "sessions in each process's memory": Case(
        number="W023",
        bad={
            "SESSION_ENGINE": f"{SESSIONS}.cached_db",
            "CACHES": {"default": {"BACKEND": f"{CACHES}.locmem.LocMemCache"}},
        },
        good={
            "SESSION_ENGINE": f"{SESSIONS}.cached_db",
            "CACHES": {"default": {"BACKEND": f"{CACHES}.redis.RedisCache", "LOCATION": "redis://"}},
        },
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_a_project_has_the_finding_and_without_the_mistake_it_has_none(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert findings(case.base, case.good) == []

    change_environment(monkeypatch, case.bad_environment)
    found = findings(case.base, case.bad)

    assert set(found) == {case.number} | case.beside


@pytest.mark.parametrize(
    "project", [pytest.param(PRODUCTION, id="production"), pytest.param(LOCAL, id="local, through a tunnel")]
)
def test_known_good_projects_have_no_finding(project: Mapping[str, Any]) -> None:
    assert findings(project) == []


def test_what_only_matters_in_production_is_found_with_deploy_under_debug_too() -> None:
    careless = {"ROOT_URLCONF": urls(RATE_LIMIT_ENABLED=False)}

    assert findings(LOCAL, careless) == []
    assert Counter(findings(LOCAL, careless, deploy=True)) == {"W018": 1, "W009": 2}
    assert findings(PRODUCTION, careless, deploy=True) == ["W018"]  # once, not twice


@pytest.mark.parametrize("file", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_region_in_a_file_of_boto3_is_a_region(
    file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "aws"
    path.write_text("[default]\nregion = eu-west-1\n")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv(file, str(path))
    forget_clients()

    found = findings(PRODUCTION, {"AWS_GATEWAY_REGION_NAME": ""})

    forget_clients()
    assert found == []


def test_the_local_gateway_needs_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    local = gateway_settings(ENDPOINT_URL="http://127.0.0.1:9000")

    assert findings(PRODUCTION, {"AWS_GATEWAY_REGION_NAME": "", **local}) == ["W006"]


def test_the_checks_ask_nobody() -> None:
    code = (
        "import socket, sys, django\n"
        "def refuse(*args, **kwargs): raise SystemExit('a socket was opened')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        # The admin's pages do need AWS.
        "from django.conf import settings\n"
        "settings.INSTALLED_APPS.remove('django.contrib.admin')\n"
        "settings.ROOT_URLCONF = 'tests.views.urls'\n"
        "django.setup()\n"
        "assert 'boto3' not in sys.modules, 'starting up imports boto3'\n"
        "from django.db import connection\n"
        "connection.connect = refuse\n"
        "from django.core.management import call_command\n"
        "call_command('check', tags=['websocket_gateway'], deploy=True)\n"
        "loaded = {'boto3', 'botocore', 'httptools', 'tqdm', 'uvicorn'} & sys.modules.keys()\n"
        "assert not loaded, f'the checks import {loaded}'\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings", "PATH": "", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert "W002" in ended.stderr  # there is no file in which boto3 could find a region


def numbers_in_the_code() -> list[str]:
    package = ROOT / "websocket_gateway"
    sources = [*(package / "checks").rglob("*.py"), *(package / "diagnostics").rglob("*.py")]
    call = re.compile(r"\b(?:error|warning)\(\s*\"([EW][0-9]{3})\"")
    return [number for path in sources for number in call.findall(path.read_text())]


def numbers_on_the_page() -> list[str]:
    page = (ROOT / "management_docs/checks.md").read_text()
    return re.findall(r"^\| `([EW][0-9]{3})`", page, re.MULTILINE)


def test_every_number_belongs_to_one_finding() -> None:
    assert [number for number, times in Counter(numbers_in_the_code()).items() if times > 1] == []


def test_every_finding_stands_on_the_page_and_the_page_names_no_other() -> None:
    assert sorted(numbers_on_the_page()) == sorted(numbers_in_the_code())


def test_every_finding_of_the_static_checks_has_a_case() -> None:
    package = ROOT / "websocket_gateway/checks"
    found = {
        number
        for path in package.glob("*.py")
        for number in re.findall(r"\(\s*\"([EW][0-9]{3})\"", path.read_text())
    }

    assert found == {case.number for case in CASES.values()}
