"""The testing kit in a project that has no pytest: `manage.py test`, unittest, and a bare script."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FILES = {
    "sitecustomize.py": """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pytest", "_pytest", "pytest_django"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
""",
    "manage.py": """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
""",
    "settings.py": """
SECRET_KEY = "a key of these tests"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                  "websocket_gateway"]
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware"]
ROOT_URLCONF = "urls"
STATIC_URL = "static/"
AWS_GATEWAY_REGION_NAME = "eu-west-1"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
""",
    "urls.py": """
from django.urls import path
from websocket_gateway.models import WebSocketSession
from websocket_gateway.views import WebSocketTokenView, WebSocketView

class ChatView(WebSocketView):
    ALLOWED_HANDLERS = {"say", "weather"}

    def say(self, request, room):
        WebSocketSession.objects.in_channel(room).send_message({"text": self.body["text"]})

    async def weather(self, request):
        return {"degrees": 21}

class OpenView(WebSocketView):
    USE_WS_TOKEN = False

    def say(self, request):
        self.websocket_session.send_message({"text": self.body["text"]})
        return {"ok": True}

urlpatterns = [path("ws/<slug:room>/<str:route>", ChatView.as_view()),
               path("token/", WebSocketTokenView.as_view()),
               path("open/<str:route>", OpenView.as_view())]
""",
    "tests.py": """
import json
import sys
import unittest
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.test import LiveServerTestCase, TestCase, TransactionTestCase, override_settings
from django.utils import timezone
from websockets.sync.client import connect

from urls import ChatView, OpenView
from websocket_gateway.models import ApiGateway, WebSocketSession
from websocket_gateway.sending import broadcast
from websocket_gateway.testing import WebSocketTestMixin, virtual_time, websocket_clients
from websocket_gateway.testing.gateway import local_gateway, needs_serialized_requests


class ChatTests(WebSocketTestMixin, TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.ada = get_user_model().objects.create_user("ada")

    def setUp(self):
        self.one = self.ws_client("/ws/lobby/")  # without super().setUp()

    def hear(self):
        two = self.ws_client(ChatView, url_kwargs={"room": "lobby"})
        self.assertTrue(self.one.connect(user=self.ada, channel="lobby").ok)
        self.assertTrue(two.connect(user=self.ada, channel="lobby").ok)
        self.assertTrue(self.one.send({"handler": "say", "text": "hello"}).ok)
        self.assertEqual(two.received, [{"text": "hello", "_ws": {"channel": "lobby"}}])
        self.assertEqual(len(self.fake_connections.sent), 2)

    def test_first(self):
        self.hear()

    def test_again_with_rows_rolled_back_in_between(self):
        self.hear()

    def test_token_of_the_page(self):
        self.client.force_login(self.ada)
        token = self.client.post("/token/").json()["token"]
        self.assertTrue(self.one.connect(token=token).ok)

    @override_settings(
        WEBSOCKET_GATEWAY={"CHANNELS": {"orders": {"HISTORY_MESSAGES": 9, "HISTORY_SECONDS": 60}}}
    )
    def test_history_and_time(self):
        self.one.connect(user=self.ada)
        with virtual_time() as clock:
            self.one.subscribe("orders")
            broadcast({"n": 1}, channel="orders")
            at = self.one.position("orders")
            with self.one.losing():
                broadcast({"n": 2}, channel="orders")
            clock.advance(59)
            self.assertEqual([m["data"]["n"] for m in self.one.recover("orders", at)["messages"]], [2])
            clock.advance(2)
            self.assertEqual(self.one.recover("orders", at)["lost"], "expired")

    @override_settings(WEBSOCKET_GATEWAY={"MAX_MESSAGES_PER_MINUTE": 1})
    def test_settings(self):
        self.one.connect(user=self.ada)
        replies = [self.one.send({"handler": "weather"}) for _ in range(2)]
        self.assertEqual([reply.error for reply in replies], [None, "rate_limited"])

    async def test_asynchronous(self):
        client = self.ws_client("/ws/lobby/")
        self.assertTrue((await client.aconnect(user=self.ada)).ok)
        self.assertEqual((await client.asend({"handler": "weather"}, reply_id="1")).json()["degrees"], 21)
        self.assertTrue((await client.acontrol("ping", reply_id="2")).ok)
        self.assertTrue((await client.adisconnect()).ok)


class CommittedTests(WebSocketTestMixin, TransactionTestCase):
    def test_gone(self):
        client = self.ws_client(OpenView)
        self.assertTrue(client.connect().ok)
        self.fake_connections.gone.add(client.connection_id)
        WebSocketSession.objects.update(created_on=timezone.now() - timedelta(minutes=1))
        self.assertEqual(client.session.send_message({}).gone, 1)
        self.assertFalse(client.session.connected)


class LiveTests(LiveServerTestCase):
    def test_socket(self):
        with local_gateway(serialize=needs_serialized_requests()) as gateway, self.settings(
            WEBSOCKET_GATEWAY={"ENDPOINT_URL": gateway.endpoint_url}
        ):
            from django.core.management import call_command
            target = f"{self.live_server_url}/open/"
            call_command("create_gateway", "chat", target=target, interactive=False, verbosity=0)
            row = ApiGateway.objects.get()
            url = f"{row.api_endpoint}/{row.stage_name}"
            with connect(url, origin="https://testserver", proxy=None) as socket:
                socket.send(json.dumps({"handler": "say", "text": "hello"}))
                self.assertEqual(json.loads(socket.recv(timeout=20)), {"text": "hello"})


class PlainTests(WebSocketTestMixin, unittest.TestCase):
    def test_no_database_is_needed_to_record(self):
        self.assertEqual(self.fake_connections.sent, [])

    def test_pytest_is_hidden(self):
        self.assertNotIn("pytest", sys.modules)
        with self.assertRaises(ImportError):
            import pytest
""",
    "script.py": """
import django
from django.conf import settings
django.setup()
settings.ALLOWED_HOSTS = ["testserver"]
from django.core.management import call_command
call_command("migrate", verbosity=0)
from urls import OpenView
from websocket_gateway.testing import websocket_clients
with websocket_clients() as ws_client:
    client = ws_client(OpenView)
    print(client.connect(), client.send({"handler": "say", "text": "hello"}), client.received)
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(project: Path, *words: str) -> tuple[int, str]:
    unwanted = ("DJANGO_", "PYTEST_", "AWS_", "WEBSOCKET_GATEWAY_", "COVERAGE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    path = os.pathsep.join((str(project), str(ROOT)))
    ended = subprocess.run(
        (sys.executable, "-W", "error", *words),
        cwd=project,
        env=kept | {"PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "settings"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
    )
    return ended.returncode, ended.stdout


def test_every_kind_of_test_case_runs_under_djangos_own_runner(project: Path) -> None:
    status, printed = run(project, "manage.py", "test")

    assert status == 0, printed
    assert "Ran 10 tests" in printed


def test_script_needs_no_test_runner(project: Path) -> None:
    status, printed = run(project, "script.py")

    assert status == 0, printed
    assert printed.endswith("[{'text': 'hello'}]\n")
