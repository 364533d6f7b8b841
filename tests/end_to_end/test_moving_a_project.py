"""A project of the older package is moved by what the page says, block by block.

It has a ForeignKey to the older models, a view pinned to an API that has no row, and a group with permissions
on the older models. The older package is a stand-in with its models under their real names, as far as the
project uses them; `WEBSOCKET_GATEWAY_TEST_OLDER_PACKAGE` names a folder that has the real one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, blocks_of
from tests.end_to_end.test_moving_over import build_api
from websocket_gateway.testing.gateway import local_gateway

PAGE = "moving_over.md"
REAL = os.environ.get("WEBSOCKET_GATEWAY_TEST_OLDER_PACKAGE", "")

OLDER = """
from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import models

class ApiGateway(models.Model):
    api_name = models.CharField(max_length=255, unique=True)
    target_base_endpoint = models.URLField(null=True)
    stage_name = models.CharField(max_length=63, default="production")
    api_id = models.CharField(max_length=32, default="")
    api_endpoint = models.CharField(max_length=255, default="")
    api_created = models.BooleanField(default=False)
    created_on = models.DateTimeField(auto_now_add=True)

class ApiGatewayAdditionalRoute(models.Model):
    api_gateway = models.ForeignKey(ApiGateway, models.CASCADE)
    name = models.CharField(max_length=63)
    route_key = models.CharField(max_length=64)
    integration_url = models.URLField()
    deployed = models.BooleanField(default=True)

class WebSocketSession(models.Model):
    connection_id = models.CharField(max_length=255, unique=True)
    channel_name = models.CharField(max_length=128, default="")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="websocket_sessions")
    connected = models.BooleanField(default=True)
    api_gateway = models.ForeignKey(ApiGateway, models.SET_NULL, null=True, related_name="sessions")
    created_on = models.DateTimeField(auto_now_add=True)
    updated_on = models.DateTimeField(auto_now=True)

class WebSocketToken(models.Model):
    token = models.CharField(max_length=64)

class ConnectionRateLimit(models.Model):
    ip_address = models.GenericIPAddressField()

class ChannelPermission(models.Model):
    channel_name = models.CharField(max_length=128, unique=True)
    access = models.CharField(max_length=16, default="allow_all")
    description = models.CharField(max_length=255, default="")

class ChannelPermissionRule(models.Model):
    channel_permission = models.ForeignKey(ChannelPermission, models.CASCADE, related_name="rules")
    permissions = models.ManyToManyField(Permission, related_name="channel_permission_rules")
"""

SETTINGS = """
import os
SECRET_KEY = "a key of this project, long enough for the checks to be content"
USE_TZ = True
NAME = os.environ.get("DATABASE", "db.sqlite3")
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": NAME}}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                  os.environ["PACKAGE"], "shop"]
ROOT_URLCONF = "urls" if os.environ["PACKAGE"] == "websocket_gateway" else "shop"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AWS_GATEWAY_REGION_NAME = "eu-west-1"
WEBSOCKET_GATEWAY = {"ENDPOINT_URL": os.environ["ENDPOINT"]}
MIDDLEWARE = ["django.contrib.sessions.middleware.SessionMiddleware",
              "django.contrib.auth.middleware.AuthenticationMiddleware"]
"""

URLS = """
from django.urls import path
from websocket_gateway.views import WebSocketView

class SupportView(WebSocketView):
    aws_api_gateway_id = "{api_id}"

urlpatterns = [path("support/<str:route>", SupportView.as_view())]
"""

OLD_ROWS = """
from django.contrib.auth.models import Group, Permission, User
from django_aws_api_gateway_websockets.models import (
    ApiGateway, ChannelPermission, ChannelPermissionRule, WebSocketSession)
from shop.models import Desk

ApiGateway.objects.create(api_name="gone").delete()  # so that the numbers here and there differ
chat = ApiGateway.objects.create(api_name="chat", target_base_endpoint="https://www.example.com/ws/")
ApiGateway.objects.filter(pk=chat.pk).update(api_id="old0000001", api_created=True,
    api_endpoint="wss://old0000001.execute-api.eu-west-1.amazonaws.com")
ada = User.objects.create_user("ada")
live = WebSocketSession.objects.create(connection_id="LIVE=", user=ada, api_gateway=chat)
ended = WebSocketSession.objects.create(connection_id="ENDED=", connected=False, api_gateway=chat)
Desk.objects.create(name="front", gateway=chat, session=live)
Desk.objects.create(name="back", gateway=chat, session=ended)
Desk.objects.create(name="empty", gateway=chat)

def old(codename):
    label = "django_aws_api_gateway_websockets"
    return Permission.objects.get(content_type__app_label=label, codename=codename)

operators = Group.objects.create(name="operators")
names = ["change_apigateway", "view_websocketsession", "add_channelpermissionrule"]
operators.permissions.set(map(old, names))
ada.user_permissions.add(old("delete_apigateway"))
desk = ChannelPermission.objects.create(channel_name="desk", access="permissions", description="the desk")
for codenames in (["add_user", "view_user"], ["view_group"]):
    rule = ChannelPermissionRule.objects.create(channel_permission=desk)
    rule.permissions.set(Permission.objects.filter(codename__in=codenames))
"""

MOVED = """
from django.contrib.auth.models import Group, User
from django.db import connection
from shop.models import Desk
from websocket_gateway.models import ApiGateway, ChannelPermission

for desk in Desk.objects.order_by("pk"):
    print(desk.name, desk.gateway.api_id, desk.session and desk.session.connection_id)
names = Group.objects.get().permissions.filter(content_type__app_label="websocket_gateway")
print(*names.order_by("codename").values_list("codename", flat=True))
print(User.objects.get().has_perm("websocket_gateway.delete_apigateway"))
print(ChannelPermission.objects.values_list("description", "alternatives").get())
print(*ApiGateway.objects.order_by("api_name").values_list("api_name", flat=True))
print([name for name in connection.introspection.table_names() if name.startswith("django_aws")])
"""


class OldProject:
    """The project's folder, and `manage.py` in it."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.folder, self.package = folder, "django_aws_api_gateway_websockets"
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("DJANGO_", "AWS_"))}
        path = os.pathsep.join(filter(None, (str(folder), REAL, str(ROOT))))
        self.environment = kept | {
            "PYTHONPATH": path,
            "DJANGO_SETTINGS_MODULE": "settings",
            "ENDPOINT": endpoint,
        }
        self.write("settings.py", SETTINGS)
        self.write("shop/__init__.py", "urlpatterns = []\n")
        self.write("shop/migrations/__init__.py", "")

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def manage(self, *words: str, given: str = "", status: int = 0, **environment: str) -> str:
        """Run a command; what it prints."""
        done = subprocess.run(
            (sys.executable, "-m", "django", *words),
            cwd=self.folder,
            env=self.environment | {"PACKAGE": self.package} | environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr * bool(status)


def side(diff: str, sign: str) -> str:
    """The text before (`-`) or after (`+`) a diff that shows all of a file."""
    lines = [line for line in diff.splitlines() if not line or line[0] in (" ", sign)]
    return "\n".join(line[1:] for line in lines) + "\n"


def block(holding: str, language: str = "python") -> str:
    (text,) = (item.text for item in blocks_of(PAGE, language) if holding in item.text)
    return text


@pytest.fixture
def gateway() -> Any:
    with local_gateway() as handle:
        yield handle


def test_project_is_moved_to_the_letter(tmp_path: Path, gateway: Any) -> None:
    project = OldProject(tmp_path, gateway.endpoint_url)
    numbers, history, keys = (item.text for item in blocks_of(PAGE, "diff"))
    if not REAL:
        project.write("django_aws_api_gateway_websockets/__init__.py", "")
        project.write("django_aws_api_gateway_websockets/migrations/__init__.py", "")
        project.write("django_aws_api_gateway_websockets/models.py", OLDER)
        name = "0015_alter_apigateway_provisioning_status"
        project.write("shop/models.py", "")
        project.manage("makemigrations", "django_aws_api_gateway_websockets", "-n", "first")
        made = tmp_path / "django_aws_api_gateway_websockets/migrations"
        (made / "0001_first.py").rename(made / f"{name}.py")

    # The project as it was.
    project.write("shop/models.py", side(numbers, "-"))
    project.write("shop/migrations/0001_initial.py", side(history, "-"))
    project.manage("migrate")
    project.manage("shell", given=OLD_ROWS)

    # While the older package is installed.
    project.write("shop/models.py", side(numbers, "+"))
    project.write("shop/migrations/0002_keep_numbers.py", block("migrations.RenameField"))
    project.manage("makemigrations", "--check", "shop")
    project.manage("migrate")
    project.write("shop/migrations/0001_initial.py", side(history, "+"))
    project.manage("migrate")

    # This package in its place.
    project.package = "websocket_gateway"
    api_id, _ = build_api(gateway.endpoint_url, "https://www.example.com/support/")
    project.write("urls.py", URLS.format(api_id=api_id))
    project.write("shop/models.py", side(keys, "+"))
    project.manage(*["makemigrations", "shop", "--name", "new_keys"])
    project.write("shop/migrations/0004_follow.py", block("def follow"))
    early = project.manage("migrate", status=1)
    assert "run import_legacy_gateways first" in early
    steps = [line.split()[2:] for line in block("migrate shop 0003", "sh").splitlines()]
    assert len(steps) == 4
    for words in steps:
        project.manage(*words)

    # The pinned view.
    assert f"--adopt {api_id}" in project.manage("check_ws_settings", status=0)
    adopt = block("--adopt", "text").replace("a1b2c3d4e5", api_id)
    project.manage(*adopt.split()[1:])
    assert "W116" not in project.manage("check_ws_settings")

    # Permissions, then the end of the numbers and of the old tables.
    for _ in range(2):
        project.manage("shell", given=block("RENAMED = "))
    project.write(
        "shop/models.py", "".join(line for line in side(keys, "+").splitlines(True) if "old_" not in line)
    )
    project.manage(*["makemigrations", "shop", "--name", "drop_numbers"])
    project.manage("migrate")
    drop = block("DROP TABLE", "sql")
    project.manage("shell", given=f"import sqlite3\nsqlite3.connect('db.sqlite3').executescript({drop!r})\n")

    assert project.manage("shell", "-v", "0", given=MOVED).splitlines() == [
        "front old0000001 LIVE=",
        "back old0000001 None",
        "empty old0000001 None",
        "add_channelpermission change_apigateway view_websocketsession",
        "True",
        "('the desk', [['auth.add_user', 'auth.view_user'], ['auth.view_group']])",
        "chat support",
        "[]",
    ]
    project.manage("makemigrations", "--check")
    project.manage("migrate", DATABASE="new.sqlite3")  # a new database, with no trace of the older package
