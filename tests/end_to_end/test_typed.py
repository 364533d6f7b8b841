"""What a type checker sees of the wheel in a strict project that uses it, with and without `py.typed`."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.building import build
from tests.support.installing import SELECTED, environment

pytestmark = SELECTED
SETTINGS = """
SECRET_KEY = "-"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "websocket_gateway"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
CONFIGURATION = """
[mypy]
strict = True
plugins = mypy_django_plugin.main
[mypy.plugins.django-stubs]
django_settings_module = "project_settings"
"""
RIGHT = """
from django.http import HttpRequest

from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.receiving.tokens import issue_token
from websocket_gateway.testing import FakeConnections, record_connections
from websocket_gateway.views import WebSocketTokenView, WebSocketView


class ChatView(WebSocketView):
    deduplicate = True

    def say(self, request: HttpRequest) -> dict[str, str]:
        reveal_type(self.body)
        reveal_type(self.websocket_session)
        return {"text": str(self.body["text"])}


class Tokens(WebSocketTokenView):
    pass


reveal_type(WebSocketSession.objects.in_channel("lobby").connected())
reveal_type(WebSocketSession.objects.in_channel("lobby").send_message({}))
reveal_type(ApiGateway.objects.get())
reveal_type(ApiGateway.objects.get().api_name)
reveal_type(broadcast({}, channel="lobby").delivered)
reveal_type(issue_token)
"""
WRONG = """
from websocket_gateway.models import WebSocketSession
from websocket_gateway.sending import abroadcast, broadcast
from websocket_gateway.testing import FakeConnections

broadcast({}, channel="lobby").delivered.upper()
broadcast({}, chanel="lobby")
FakeConnections(1, 2, 3)
WebSocketSession.objects.in_chanel("lobby")
WebSocketSession.objects.connected().send_message({}, on_comit=True)
later = abroadcast({}, chanel="lobby")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose environment has the wheel, and all else from this one."""
    wheel = build("wheel", tmp_path / "build")
    venv.create(tmp_path / "venv", symlinks=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps"]
    subprocess.run([*pip, "--target", str(site(tmp_path)), str(wheel)], check=True, env=environment())
    (site(tmp_path) / "rest.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    (tmp_path / "project_settings.py").write_text(SETTINGS)
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    return tmp_path


def site(project: Path) -> Path:
    return Path(sysconfig.get_path("purelib", vars={"base": str(project / "venv")}))


def checked(project: Path, source: str) -> list[str]:
    """What mypy says of `source`, a line each."""
    (project / "uses.py").write_text(source)
    mypy = [
        sys.executable,
        "-m",
        "mypy",
        "--no-incremental",
        "--python-executable",
        "venv/bin/python",
        "uses.py",
    ]
    ended = subprocess.run(
        mypy,
        cwd=project,
        env=environment() | {"PYTHONPATH": "."},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    return ended.stdout.replace("builtins.", "").splitlines()


def test_types_reach_a_strict_project(project: Path) -> None:
    lines = checked(project, RIGHT)
    revealed = [match[1] for line in lines if (match := re.search(r'Revealed type is "(.*)"', line))]

    assert [line for line in lines if "error:" in line] == []
    assert [re.sub(r"\w+\.(?=[\w.])", "", seen) for seen in revealed[:-1]] == [
        "dict[str, Any]",
        "WebSocketSession",
        "WebSocketSessionQuerySet",
        "DeliveryReport",
        "ApiGateway",
        "str",
        "int",
    ]
    assert revealed[-1].endswith("session_key: str | None =, *, backend: str | None =) -> str")


def test_what_is_used_wrongly_is_an_error(project: Path) -> None:
    errors = [line for line in checked(project, WRONG) if " error: " in line]

    assert errors[0] == 'uses.py:6: error: "int" has no attribute "upper"  [attr-defined]'
    assert 'Unexpected keyword argument "chanel" for "broadcast"' in errors[1]
    assert 'Too many arguments for "FakeConnections"' in errors[2]
    assert 'has no attribute "in_chanel"' in errors[3]
    assert 'Unexpected keyword argument "on_comit" for "send_message"' in errors[4]
    assert 'Unexpected keyword argument "chanel" for "abroadcast"' in errors[5]
    assert len(errors) == 6


def test_without_the_marker_nothing_would_be_typed(project: Path) -> None:
    (site(project) / "websocket_gateway/py.typed").unlink()

    lines = checked(project, RIGHT)

    assert any("[import-untyped]" in line for line in lines)
