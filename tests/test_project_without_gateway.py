"""The tests of a project whose every page has the tag, and whose test database has no gateway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MANAGE = """
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"

from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
"""
SETTINGS = """
from pathlib import Path

SECRET_KEY = "only-for-the-tests-of-this-project"
ALLOWED_HOSTS = ["shop.example.com"]
CSRF_TRUSTED_ORIGINS = ["https://shop.example.com"]
ROOT_URLCONF = "shop.urls"
STATIC_URL = "static/"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "websocket_gateway",
    "shop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": Path(__file__).parent / "db.sqlite3",
    }
}
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
"""
URLS = """
from django.urls import path
from django.views.generic import TemplateView

from websocket_gateway.views import WebSocketTokenView, WebSocketView


class ShopView(WebSocketView):
    permissions_required = ["auth.view_user"]
    ALLOWED_HANDLERS = {"look"}

    def look(self, request):
        return {}


urlpatterns = [
    path("", TemplateView.as_view(template_name="page.html"), name="home"),
    path("about/", TemplateView.as_view(template_name="about.html"), name="about"),
    path("ws/<str:route>", ShopView.as_view()),
    path("token/", WebSocketTokenView.as_view(), name="token"),
]
"""
BASE = """
{% load websocket_gateway %}<!doctype html>
<title>Shop</title>
{% websocket_client channel="news" token_url="token" %}
{% websocket_url as address %}<p>address: {{ address }}.</p>
{% block content %}{% endblock %}
"""
TESTS = """
import urllib.request

from django.contrib.auth.models import User
from django.contrib.staticfiles.testing import StaticLiveServerTestCase
from django.test import Client, LiveServerTestCase, SimpleTestCase, TestCase, TransactionTestCase


class PlainPages(SimpleTestCase):
    def test_pages(self):
        for path in ("/", "/about/"):
            with self.subTest(path):
                self.assertContains(self.client.get(path), "address: .")


class Pages(TestCase):
    def setUp(self):
        self.user = User.objects.create_user("ada", password="engine")

    def test_for_anyone(self):
        for path in ("/", "/about/") * 3:
            self.assertContains(self.client.get(path), '"url": ""')

    def test_for_a_user(self):
        client = Client(enforce_csrf_checks=True)
        client.force_login(self.user)
        response = client.get("/")
        self.assertContains(response, "client.js")
        self.assertContains(response, "Hello ada")
        self.assertIn("csrftoken", response.cookies)

    def test_a_query_is_counted_as_before(self):
        with self.assertNumQueries(2):  # one for each tag
            self.client.get("/about/")

    async def test_by_the_asynchronous_client(self):
        self.assertContains(await self.async_client.get("/"), '"url": ""')


class Committed(TransactionTestCase):
    def test_a_page(self):
        self.assertContains(self.client.get("/"), '"url": ""')


class Served(LiveServerTestCase):
    def test_a_page(self):
        for path in ("/", "/about/"):
            with urllib.request.urlopen(self.live_server_url + path) as response:
                self.assertIn("client.js", response.read().decode())


class ServedWithStaticFiles(StaticLiveServerTestCase):
    def test_the_client_is_served(self):
        with urllib.request.urlopen(self.live_server_url + "/static/websocket_gateway/client.js") as script:
            self.assertIn("fromPage", script.read().decode())
"""


def page(content: str) -> str:
    return f'{{% extends "base.html" %}}{{% block content %}}{content}{{% endblock %}}'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project, as it was checked out."""
    files = {
        "manage.py": MANAGE,
        "shop/__init__.py": "",
        "shop/settings.py": SETTINGS,
        "shop/urls.py": URLS,
        "shop/tests.py": TESTS,
        "shop/templates/base.html": BASE,
        "shop/templates/page.html": page("Hello {{ user }}"),
        "shop/templates/about.html": page("About"),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip())
    return tmp_path


def run_tests(project: Path, *words: str) -> tuple[list[str], list[str]]:
    """The lines of its output and of its errors; its tests have passed."""
    done = python(project, "manage.py", "test", *words)
    return done.stdout.splitlines(), done.stderr.splitlines()


def python(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the project, where a warning is an error."""
    command = [sys.executable, "-W", "error", *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_its_tests_pass_and_the_log_has_one_line(project: Path) -> None:
    output, errors = run_tests(project)

    assert output == [
        "Found 8 test(s).",
        "System check identified no issues (0 silenced).",
    ]
    said = [line for line in errors if line.strip("-. ") and not line.startswith("Ran ") and line != "OK"]
    assert said == [
        "Creating test database for alias 'default'...",
        "A page has no address to connect to: there is no gateway. Run `manage.py create_gateway NAME`.",
        "Destroying test database for alias 'default'...",
    ]


def test_pages_alone_need_neither_a_database_nor_a_word(project: Path) -> None:
    output, errors = run_tests(project, "shop.tests.PlainPages")

    assert output[0] == "Found 1 test(s)."
    assert not [line for line in errors if "page" in line or "database" in line]


def test_pytest_without_a_database_shows_the_page(project: Path) -> None:
    (project / "test_pages.py").write_text(
        'def test_page(client):\n    assert b"client.js" in client.get("/").content\n'
    )
    (project / "pytest.ini").write_text("[pytest]\npythonpath = .\n")

    done = python(project, "-m", "pytest", "-q", "--ds=shop.settings", "test_pages.py")

    assert "1 passed" in done.stdout
