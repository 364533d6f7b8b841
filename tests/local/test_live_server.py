"""With pytest-django's live server on an in-memory SQLite database, as many projects' tests run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SETTINGS = """
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "project"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "websocket_gateway"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
STATIC_URL = "/static/"
"""

PROJECT = """
from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


@csrf_exempt
def view(request, route):
    if request.body:
        Group.objects.create(name=request.body.decode())
    return HttpResponse(f"{Group.objects.count()}")


urlpatterns = [path("ws/<slug:route>", view)]
"""

CONFTEST = """
pytest_plugins = ["websocket_gateway.testing.gateway"]
"""

TEST = """
import boto3
from django.contrib.auth.models import Group
from websockets.sync.client import connect


def test_it(live_server, local_gateway):
    assert local_gateway.gateway.options.serialize
    control = boto3.client(
        "apigatewayv2", endpoint_url=local_gateway.endpoint_url, region_name="eu-west-1",
        aws_access_key_id="x", aws_secret_access_key="x",
    )
    api = control.create_api(Name="x", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.a")
    for key in ("connect", "default", "disconnect"):
        integration = control.create_integration(
            ApiId=api["ApiId"], IntegrationType="HTTP_PROXY", IntegrationMethod="POST",
            IntegrationUri=f"{live_server.url}/ws/{key}",
        )
        route = control.create_route(
            ApiId=api["ApiId"], RouteKey="$" + key, Target="integrations/" + integration["IntegrationId"]
        )
        control.create_route_response(
            ApiId=api["ApiId"], RouteId=route["RouteId"], RouteResponseKey="$default"
        )
    control.create_stage(ApiId=api["ApiId"], StageName="prod")
    control.create_deployment(ApiId=api["ApiId"], StageName="prod")

    with connect(api["ApiEndpoint"] + "/prod", proxy=None) as socket:
        for number in range(20):
            socket.send(f"group{number}")
        answers = {int(socket.recv(timeout=10)) for _ in range(20)}

    assert answers == set(range(1, 21))
    assert Group.objects.count() == 20
    local_gateway.wait_until(lambda: len(local_gateway.requests) == 22)
    assert {request.status for request in local_gateway.requests} == {200}
"""


def test_live_server_on_an_in_memory_database(tmp_path: Path) -> None:
    for name, content in (
        ("project_settings", SETTINGS),
        ("project", PROJECT),
        ("conftest", CONFTEST),
        ("test_it", TEST),
    ):
        (tmp_path / f"{name}.py").write_text(content)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nDJANGO_SETTINGS_MODULE = project_settings\npythonpath = .\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "DJANGO_SETTINGS_MODULE"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stdout + done.stderr
